from __future__ import annotations

from pathlib import Path

import pytest

from sartor.specializer.dataset import Dataset, open_dataset, split_folders
from sartor.specializer.images import ImageFolder
from sartor.tables.errors import DatasetError

CLASSES = ("cat", "dog", "owl")


def touch_images(root: Path, *, count: int = 10, classes: tuple[str, ...] = CLASSES) -> Path:
    """Make files that look like images; nothing here decodes them."""
    for name in classes:
        (root / name).mkdir(parents=True)
        for index in range(count):
            (root / name / f"{index}.jpg").touch()
    return root


def parts(data: Dataset) -> list[set[Path]]:
    folders: tuple[ImageFolder, ...] = (data.trained, data.held_out, data.validation)
    found = [set(folder.paths) for folder in folders]
    assert [len(part) for part in found] == [len(folder) for folder in folders]
    return found


def test_one_folder_is_parted_in_three(tmp_path: Path) -> None:
    root = touch_images(tmp_path / "all")
    data = open_dataset(root, held_out=0.1, seed=3)
    trained, held_out, validation = parts(data)
    assert (len(trained), len(held_out), len(validation)) == (24, 3, 3)
    assert trained | held_out | validation == set(ImageFolder.scan(root).paths)
    assert data.classes == CLASSES
    assert open_dataset(root, 0.1, 3) == data
    assert open_dataset(root, 0.1, 4) != data


def test_labels_are_the_folders_in_every_part(tmp_path: Path) -> None:
    data = open_dataset(touch_images(tmp_path / "all"), 0.2, 0)
    for folder in (data.trained, data.held_out, data.validation):
        for path, label in zip(folder.paths, folder.labels, strict=True):
            assert path.parent.name == CLASSES[label]


def test_a_val_folder_is_for_validation_alone(tmp_path: Path) -> None:
    touch_images(tmp_path / "train")
    touch_images(tmp_path / "val", count=2)
    trained, held_out, validation = parts(open_dataset(tmp_path, 0.2, 0))
    assert (len(trained), len(held_out)) == (24, 6)
    assert trained | held_out == set(ImageFolder.scan(tmp_path / "train").paths)
    assert validation == set(ImageFolder.scan(tmp_path / "val").paths)


def test_a_train_folder_without_val_is_told(tmp_path: Path) -> None:
    touch_images(tmp_path / "train")
    with pytest.raises(
        DatasetError, match=r"has train/ but no val/; name .*train if all"
    ) as caught:
        open_dataset(tmp_path, 0.1, 0)
    assert "\n" not in str(caught.value)


def test_a_folder_train_with_images_is_a_class(tmp_path: Path) -> None:
    root = touch_images(tmp_path / "vehicles", classes=("car", "train"))
    assert split_folders(root) is None
    assert open_dataset(root, 0.1, 0).classes == ("car", "train")


@pytest.mark.parametrize("split", ["train", "val"])
def test_an_empty_class_is_told(split: str, tmp_path: Path) -> None:
    touch_images(tmp_path / "train")
    touch_images(tmp_path / "val")
    for path in (tmp_path / split / "dog").iterdir():
        path.rename(path.with_suffix(".txt"))
    with pytest.raises(DatasetError, match=rf"the class folder .*{split}/dog has no images"):
        open_dataset(tmp_path, 0.1, 0)


def test_a_class_that_only_one_split_has_is_told(tmp_path: Path) -> None:
    touch_images(tmp_path / "a" / "train")
    touch_images(tmp_path / "a" / "val", classes=("cat", "owl"))
    with pytest.raises(DatasetError, match="val has no folder for the class dog"):
        open_dataset(tmp_path / "a", 0.1, 0)
    touch_images(tmp_path / "b" / "train")
    touch_images(tmp_path / "b" / "val", classes=(*CLASSES, "yak"))
    with pytest.raises(DatasetError, match=r"val has a class that .* does not know: yak"):
        open_dataset(tmp_path / "b", 0.1, 0)


def test_too_few_images_are_told(tmp_path: Path) -> None:
    touch_images(tmp_path / "one", count=1, classes=("cat",))
    with pytest.raises(DatasetError, match="cannot hold out 1 of 1 images"):
        open_dataset(tmp_path / "one", 0.1, 0)
    touch_images(tmp_path / "three", count=1)
    with pytest.raises(DatasetError, match="so few images that all of them were held out"):
        open_dataset(tmp_path / "three", 0.1, 0)
    with pytest.raises(DatasetError, match=r"cannot list .*nowhere"):
        open_dataset(tmp_path / "nowhere", 0.1, 0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="has no class folders"):
        open_dataset(tmp_path / "empty", 0.1, 0)
