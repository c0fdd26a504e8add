from __future__ import annotations

import resource
from pathlib import Path

import pytest

from sartor.devices import Device, LocalDevice, local
from sartor.tables.errors import DeviceError

from .contract import DeviceContract


class TestLocalDevice(DeviceContract):
    @pytest.fixture
    def device(self, tmp_path_factory: pytest.TempPathFactory) -> Device:
        return LocalDevice(tmp_path_factory.mktemp("device"))


def test_its_files_lie_below_the_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert str(LocalDevice().root) == "/somewhere/sartor/device"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert str(LocalDevice().root) == "/home/me/.cache/sartor/device"


def test_a_line_without_an_end_comes_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "LONGEST_LINE_BYTES", 100_000)
    stream = LocalDevice(tmp_path).open_stream(["sh", "-c", "yes x | tr -d '\\n'"], {})
    part = stream.read_line(timeout_s=60)
    assert part is not None
    assert set(part) == {"x"}
    assert 100_000 <= len(part) < 200_000
    stream.close()


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    sent = tmp_path / "sent"
    sent.write_bytes(bytes(100_000))
    device = LocalDevice(tmp_path / "device")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(DeviceError, match="check free space"):
            device.push(sent, device.root / "file")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list((tmp_path / "device").iterdir()) == []


@pytest.mark.parametrize("python", ["false", "/no such/python", "a'b $HOME"])
def test_without_a_python_that_works_there_are_facts_all_the_same(
    tmp_path: Path, python: str
) -> None:
    facts = LocalDevice(tmp_path, python=python).facts()
    assert facts.distributions == ()
    assert facts.cores >= 1
