from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from sartor.specializer.images import ImageFolder
from sartor.specializer.train.crops import cut, random_crops
from sartor.specializer.train.photos import FilePhotos, MemoryPhotos, open_photos, stored_side
from sartor.specializer.train.process import Process
from sartor.specializer.train.recipe_file import load_recipe
from sartor.tables.errors import DatasetError

CPU = torch.device("cpu")
LARGEST = 56
SIDE = 64  # what is kept for crops of that size

sides = st.integers(1, 5000)


def smooth(width: int, height: int, seed: int) -> Image.Image:
    """Draw what changes slowly, so that a tiny difference of places is a tiny one of values."""
    coarse = np.random.default_rng(seed).integers(0, 256, (3, 3, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def write(folder: Path, *images: Image.Image) -> ImageFolder:
    (folder / "one").mkdir(parents=True)
    for index, image in enumerate(images):
        image.save(folder / "one" / f"{index}.png")
    return ImageFolder.scan(folder)


def differences(memory: ImageFolder, files: ImageFolder, count: int = 8) -> NDArray[np.float64]:
    """Crop the same parts in both ways, ``count`` times; mean absolute differences in levels."""
    kept, read = MemoryPhotos(memory, LARGEST, CPU), FilePhotos(files, 1)
    indices, found = np.arange(len(files)), []
    for seed in range(count):
        both = [
            photos.crop(indices, 0.35, np.random.default_rng(seed), (LARGEST, 32))
            for photos in (kept, read)
        ]
        for got, expected in zip(*both, strict=True):
            assert got.shape == expected.shape
            found.append(float((got.float() - expected.float()).abs().mean()))
    return np.array(found)


@given(
    st.lists(st.tuples(sides, sides), min_size=1, max_size=5), st.floats(0, 1), st.integers(0, 99)
)
def test_a_box_is_within_its_image(
    sizes: list[tuple[int, int]], least_area: float, seed: int
) -> None:
    crops = random_crops(np.array(sizes), least_area, np.random.default_rng(seed))
    left, top, width, height = crops.boxes.T
    whole_width, whole_height = np.array(sizes).T
    assert (left >= 0).all()
    assert (top >= 0).all()
    assert (width >= 1).all()
    assert (height >= 1).all()
    assert (left + width <= whole_width).all()
    assert (top + height <= whole_height).all()
    again = random_crops(np.array(sizes), least_area, np.random.default_rng(seed))
    assert (again.boxes == crops.boxes).all()
    assert (again.mirrored == crops.mirrored).all()


def test_boxes_have_the_area_and_the_shape_that_are_wanted() -> None:
    sizes = np.full((4000, 2), 1000)
    crops = random_crops(sizes, 0.35, np.random.default_rng(0))
    area = crops.boxes[:, 2:].prod(axis=1) / 1e6
    aspect = crops.boxes[:, 2] / crops.boxes[:, 3]
    assert 0.34 < area.min() < 0.37
    assert 0.9 < area.max() <= 1
    assert area.mean() == pytest.approx((0.35 + 1) / 2, abs=0.02)
    assert 0.74 < aspect.min() < aspect.max() < 1.35
    assert crops.mirrored.mean() == pytest.approx(0.5, abs=0.03)


def test_cutting_is_what_pillow_does() -> None:
    image = smooth(50, 40, 0)
    box = np.array([5, 6, 20, 10])
    plain = cut(image, box, 10, mirrored=False)
    expected = np.asarray(image.crop((5, 6, 25, 16)).resize((10, 10), Image.Resampling.BILINEAR))
    assert np.abs(np.asarray(plain, int) - expected).max() <= 1
    turned = np.asarray(cut(image, box, 10, mirrored=True))
    assert (turned == np.asarray(plain)[:, ::-1]).all()


def test_memory_shows_what_files_show(tmp_path: Path) -> None:
    images = [smooth(64, 64, 0), smooth(64, 48, 1), smooth(40, 60, 2), smooth(30, 30, 3)]
    folder = write(tmp_path, *images)
    assert differences(folder, folder).max() < 2


def test_larger_images_are_kept_as_small_as_is_enough(tmp_path: Path) -> None:
    folder = write(tmp_path, smooth(300, 260, 0), smooth(400, 500, 1), smooth(66, 90, 2))
    photos = MemoryPhotos(folder, LARGEST, CPU)
    assert stored_side(LARGEST) == SIDE
    assert photos._pixels.shape[2:] == (87, 74)  # 80, 64 and 87 high; 74, 64 and 64 wide
    assert differences(folder, folder).max() < 2


def test_very_long_images_lose_their_ends(tmp_path: Path) -> None:
    wide, high = smooth(400, 40, 0), smooth(60, 900, 1)
    middle = write(tmp_path / "middle", wide.crop((170, 0, 230, 40)), high.crop((0, 405, 60, 495)))
    assert differences(write(tmp_path / "long", wide, high), middle).max() < 2


@pytest.mark.parametrize("kind", ["files", "memory"])
def test_the_same_draw_gives_the_same_pixels(kind: str, tmp_path: Path) -> None:
    folder = write(tmp_path, smooth(64, 48, 0), smooth(40, 60, 1))
    photos = FilePhotos(folder, 2) if kind == "files" else MemoryPhotos(folder, LARGEST, CPU)
    indices = np.array([1, 0, 1])
    first, second, other = (
        photos.crop(indices, 0.35, np.random.default_rng(seed), (32, 48)) for seed in (0, 0, 1)
    )
    assert [pixels.shape for pixels in first] == [(3, 3, 32, 32), (3, 3, 48, 48)]
    assert all(map(torch.equal, first, second))
    assert not any(map(torch.equal, first, other))
    assert not torch.equal(first[0][0], first[0][2])
    assert first[0].min() >= 0
    assert first[0].max() <= 255


def test_both_sizes_show_the_same_part(tmp_path: Path) -> None:
    folder = write(tmp_path, smooth(64, 48, 0), smooth(40, 60, 1))
    small, large = FilePhotos(folder, 1).crop(
        np.arange(2), 0.35, np.random.default_rng(0), (32, 64)
    )
    halved = torch.nn.functional.avg_pool2d(large.float(), 2)
    assert float((halved - small.float()).abs().mean()) < 2


def test_a_processor_reads_files(tmp_path: Path) -> None:
    folder = write(tmp_path, smooth(64, 48, 0))
    photos = open_photos(load_recipe("smoke"), folder, Process(), 3)
    assert isinstance(photos, FilePhotos)
    assert photos.threads == 3


def test_a_broken_image_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path, smooth(64, 48, 0))
    folder.paths[0].write_bytes(b"")
    with pytest.raises(DatasetError, match=r"cannot read the image .*0\.png"):
        MemoryPhotos(folder, LARGEST, CPU)
    with pytest.raises(DatasetError, match=r"cannot read the image .*0\.png"):
        FilePhotos(folder, 1).crop(np.arange(1), 0.35, np.random.default_rng(0), (32,))
