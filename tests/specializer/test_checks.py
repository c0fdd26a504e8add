from __future__ import annotations

import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from sartor.specializer.images import ImageFolder
from sartor.specializer.train.checks import check_images, check_space
from sartor.tables.errors import DatasetError, OutputError

from .torch_tools import draw_images

Usage = namedtuple("Usage", "total used free")  # noqa: PYI024 (what shutil itself returns)


@pytest.fixture
def folder(tmp_path: Path) -> ImageFolder:
    return ImageFolder.scan(draw_images(tmp_path / "photos", ("blue", "green"), 6))


@pytest.fixture
def stamp(tmp_path: Path) -> Path:
    return tmp_path / "run" / "checked.txt"


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:300])


def damage_and_pretend(path: Path) -> None:
    """Change the content of a file, but neither size nor time: only decoding can tell."""
    before = path.stat()
    path.write_bytes(bytes(before.st_size))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_good_images_are_counted_and_stamped(folder: ImageFolder, stamp: Path) -> None:
    told: list[tuple[int, int]] = []
    check_images([folder], stamp, lambda done, of: told.append((done, of)))
    assert told == [(12, 12)]
    assert len(stamp.read_text()) == 65


def test_all_broken_images_are_counted_and_three_named(folder: ImageFolder, stamp: Path) -> None:
    broken = [*folder.paths[1:4], folder.paths[7], folder.paths[10]]
    for path in broken:
        truncate(path)
    with pytest.raises(DatasetError) as caught:
        check_images([folder.subset(range(6)), folder.subset(range(6, 12))], stamp)
    *named, more = str(caught.value).splitlines()
    assert more == "… and 2 more"
    for line, path in zip(named, broken[:3], strict=True):
        assert line.startswith(f"cannot read the image {path} (")
        assert line.endswith("; replace or remove it")
    assert not stamp.exists()


def test_one_broken_image_is_one_sentence(folder: ImageFolder, stamp: Path) -> None:
    folder.paths[5].write_bytes(b"")
    with pytest.raises(DatasetError, match=r"cannot read the image .*5\.jpg") as caught:
        check_images([folder], stamp)
    assert "\n" not in str(caught.value)


def test_the_stamp_spares_the_second_decoding(folder: ImageFolder, stamp: Path) -> None:
    check_images([folder], stamp)
    damage_and_pretend(folder.paths[0])
    told: list[tuple[int, int]] = []
    check_images([folder], stamp, lambda done, of: told.append((done, of)))
    assert told == [(12, 12)]
    stamp.unlink()
    with pytest.raises(DatasetError, match="cannot read the image"):
        check_images([folder], stamp)


def test_a_changed_file_is_checked_again(folder: ImageFolder, stamp: Path) -> None:
    check_images([folder], stamp)
    path = folder.paths[0]
    damage_and_pretend(path)
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    with pytest.raises(DatasetError, match="cannot read the image"):
        check_images([folder], stamp)


def test_more_images_or_a_damaged_stamp_are_checked_again(folder: ImageFolder, stamp: Path) -> None:
    check_images([folder.subset(range(11))], stamp)
    truncate(folder.paths[11])
    with pytest.raises(DatasetError, match="cannot read the image"):
        check_images([folder], stamp)
    stamp.write_bytes(b"\xff\xfe")
    check_images([folder.subset(range(11))], stamp)
    assert len(stamp.read_text()) == 65


def test_a_file_that_has_gone_is_named(folder: ImageFolder, stamp: Path) -> None:
    folder.paths[3].unlink()
    with pytest.raises(DatasetError, match=r"cannot read the image .*3\.jpg \(No such file"):
        check_images([folder], stamp)


def test_little_disk_is_told_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def usage(path: Path) -> Usage:
        asked.append(path)
        return Usage(100_000_000, 60_000_000, 40_000_000)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    check_space(tmp_path / "not" / "there", 40_000_000)
    with pytest.raises(OutputError, match=r"has 40 MB left and the run wants 41 MB; free some"):
        check_space(tmp_path / "not" / "there", 41_000_000)
    assert set(asked) == {tmp_path}
