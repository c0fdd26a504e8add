from __future__ import annotations

import resource
import signal
from pathlib import Path

import pytest

from sartor.tables import write_atomically
from sartor.tables.atomic import remove_unfinished
from sartor.tables.errors import OutputError


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "model.onnx"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    write_atomically(path, b"one")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"cannot write .*model\.onnx: File too large; raise"):
            write_atomically(path, bytes(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "last[1].pt"
    write_atomically(path, b"one")
    (tmp_path / ".last[1].pt.0123abcd.part").write_bytes(b"ha")
    others = [tmp_path / ".last1.pt.0123abcd.part", tmp_path / ".last[1].pt.part"]
    for other in others:
        other.touch()
    remove_unfinished(path)
    remove_unfinished(tmp_path / "nowhere" / "last.pt")
    assert sorted(tmp_path.iterdir()) == sorted([path, *others])


def test_paths_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="Is a directory; name a file, not a folder"):
        write_atomically(tmp_path, b"one")
    with pytest.raises(OutputError, match="choose a path through folders only"):
        write_atomically(tmp_path / "file" / "model.onnx", b"one")
    with pytest.raises(OutputError, match="File name too long; choose another path"):
        write_atomically(tmp_path / ("long" * 100), b"one")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("folder", ["/proc", "/sys"])
def test_folders_that_take_no_files(folder: str) -> None:
    with pytest.raises(OutputError, match=f"cannot write {folder}/model.onnx: .*; choose"):
        write_atomically(Path(folder) / "model.onnx", b"one")
