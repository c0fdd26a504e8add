"""Nothing of ours is left on a device, and nothing of others is touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sartor.devices import LocalDevice
from sartor.profiler import clean
from sartor.profiler.reservation import reserved
from sartor.tables import Store
from sartor.tables.errors import DeviceBusyError, DeviceError

from .collecting import FEW, run


def test_what_a_collection_put_there_goes_and_nothing_else(
    device: LocalDevice, store: Store, tmp_path: Path
) -> None:
    run(device, store, FEW)
    root, elsewhere = Path(device.root), tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_text("theirs")
    (root / "agents" / "link").symlink_to(elsewhere)
    (root / "sessions").symlink_to(elsewhere)
    (root / "agent-notes.txt").write_text("theirs")
    (root / "a model").write_text("theirs")
    cleaned = clean(device)
    assert cleaned.kept == ("a model", "agent-notes.txt")
    assert cleaned.freed_mb > 0.01
    assert sorted(path.name for path in root.iterdir()) == ["a model", "agent-notes.txt"]
    assert (elsewhere / "file").read_text() == "theirs"


def test_a_folder_that_was_only_ours_goes_itself(device: LocalDevice, store: Store) -> None:
    run(device, store, FEW)
    assert clean(device).kept == ()
    assert not Path(device.root).exists()
    assert clean(device).freed_mb < 0.02  # the lock that was held meanwhile
    assert not Path(device.root).exists()
    run(device, store, FEW)  # it is made again


def test_who_times_there_is_not_disturbed(device: LocalDevice, tmp_path: Path) -> None:
    with reserved(device):
        (Path(device.root) / "agents").mkdir()
        with pytest.raises(DeviceBusyError, match="local is being timed by process"):
            clean(device)
        assert (Path(device.root) / "agents").exists()


def test_what_cannot_be_deleted_is_told(device: LocalDevice) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may delete everything")
    locked = Path(device.root) / "agents" / "locked"
    locked.mkdir(parents=True)
    (locked / "file").write_text("x")
    locked.chmod(0o500)
    with pytest.raises(DeviceError, match=r"cannot delete all in .*denied"):
        clean(device)
    locked.chmod(0o700)
