from __future__ import annotations

import io
from pathlib import Path

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from PIL import Image

from sartor.specializer.images import (
    ImageFolder,
    centre_crop,
    normalise_pixels,
    open_image,
)
from sartor.tables.errors import DatasetError

from .torch_tools import draw_images


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return draw_images(tmp_path / "images", ("cat", "dog"), 4)


def test_images_are_listed_by_class(root: Path) -> None:
    (root / "cat" / "notes.txt").touch()
    folder = ImageFolder.scan(root)
    assert folder.classes == ("cat", "dog")
    assert folder.labels == (0, 0, 0, 0, 1, 1, 1, 1)
    assert [path.parent.name for path in folder.paths] == ["cat"] * 4 + ["dog"] * 4
    assert list(folder.paths) == sorted(folder.paths)
    assert ImageFolder.scan(root, ("dog", "cat")).labels == (0, 0, 0, 0, 1, 1, 1, 1)


def test_a_split_is_complete_disjoint_and_reproducible(root: Path) -> None:
    folder = ImageFolder.scan(root)
    kept, held_out = folder.split(3, seed=1)
    assert (len(kept), len(held_out)) == (5, 3)
    assert sorted(kept.paths + held_out.paths) == list(folder.paths)
    assert folder.split(3, seed=1) == (kept, held_out)
    assert folder.split(3, seed=2) != (kept, held_out)
    for count in (0, 8):
        with pytest.raises(DatasetError, match="cannot hold out"):
            folder.split(count, seed=1)


def test_folders_that_are_no_data_set(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="No such file or directory; want one folder"):
        ImageFolder.scan(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="Not a directory"):
        ImageFolder.scan(next((root / "cat").iterdir()))
    with pytest.raises(DatasetError, match="has no class folders"):
        ImageFolder.scan(root / "cat")
    with pytest.raises(DatasetError, match="has no folder for the class bird, eel"):
        ImageFolder.scan(root, ("bird", "cat", "dog", "eel"))
    with pytest.raises(DatasetError, match="has a class that the supernet does not know: dog"):
        ImageFolder.scan(root, ("cat",))
    (root / "eel").mkdir()
    with pytest.raises(DatasetError, match="eel has no images"):
        ImageFolder.scan(root)


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff\xd8\xff\xe0 not a photo"])
def test_a_file_that_is_no_image_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"cannot read the image .*broken\.jpg"):
        open_image(path)


@given(
    st.sampled_from(["JPEG", "PNG", "BMP", "WEBP"]),
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=6),
    st.integers(0, 5000),
)
def test_damaged_images_are_decoded_or_refused(
    tmp_path_factory: pytest.TempPathFactory, kind: str, changes: list[tuple[int, int]], length: int
) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((33, 21), 40).convert("RGB").save(buffer, kind)
    content = bytearray(buffer.getvalue())
    for place, value in changes:
        content[place % len(content)] = value
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(content[: max(length, 1)])
    try:
        outcome = open_image(path).mode
    except DatasetError as error:
        outcome = str(error)
    assert outcome == "RGB" or str(path) in outcome


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1"])
def test_every_mode_becomes_rgb(mode: str, tmp_path: Path) -> None:
    path = tmp_path / ("image.jpg" if mode == "CMYK" else "image.png")
    Image.new("RGB", (5, 4), (200, 30, 30)).convert(mode).save(path)
    assert (open_image(path).mode, open_image(path).size) == ("RGB", (5, 4))


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 64))
def test_crops_have_the_size_asked_for(width: int, height: int, size: int) -> None:
    crop = centre_crop(Image.new("RGB", (width, height), (9, 9, 9)), size)
    assert crop.size == (size, size)
    assert crop.getextrema() == ((9, 9), (9, 9), (9, 9))


def test_a_sample_is_mixed_and_reproducible(root: Path) -> None:
    folder = ImageFolder.scan(root)
    drawn = folder.sample(6, seed=3)
    assert len(set(drawn.paths)) == 6
    assert drawn == folder.sample(6, seed=3) != folder.sample(6, seed=4)
    assert list(drawn.labels) != sorted(drawn.labels)
    assert sorted(folder.sample(99, seed=3).paths) == list(folder.paths)


def test_normalised_by_imagenets_statistics() -> None:
    pixels = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 4, 4)
    normalised = normalise_pixels(pixels)
    black = torch.tensor([-2.1179, -2.0357, -1.8044])  # as torchvision's documentation has it
    white = torch.tensor([2.2489, 2.4286, 2.6400])
    torch.testing.assert_close(normalised[0, :, 0, 0], black, atol=1e-4, rtol=0)
    torch.testing.assert_close(normalised[1, :, 0, 0], white, atol=1e-4, rtol=0)
    assert normalised.is_contiguous(memory_format=torch.channels_last)
