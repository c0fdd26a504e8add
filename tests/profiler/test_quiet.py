from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from sartor.devices import LocalDevice
from sartor.devices.health import Health
from sartor.profiler.quiet import wait_until_quiet
from sartor.tables.errors import DeviceDisturbedError

SPIN = [sys.executable, "-c", "print(flush=True)\nwhile True: pass"]


@pytest.fixture
def busy() -> Iterator[subprocess.Popen[bytes]]:
    """A program that keeps one core of this machine busy."""
    with subprocess.Popen(SPIN, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_a_busy_device_is_waited_for_and_then_said_to_be_disturbed(
    device: LocalDevice, busy: subprocess.Popen[bytes]
) -> None:
    told: list[str] = []
    with pytest.raises(DeviceDisturbedError, match=r"did not become quiet within 0\.1 s.*--force"):
        wait_until_quiet(device, 0.1, told.append)
    assert told[0].startswith("waiting for local to become quiet: other programs are running")
    health = wait_until_quiet(device, None, told.append)  # by force
    assert health.verdict == "disturbed"
    assert health.busy_cores is not None
    assert 0.5 < health.busy_cores <= health.cores


def test_a_device_that_becomes_quiet_is_timed(
    device: LocalDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = [Health(4, None, None, None, "unknown", celsius) for celsius in (95.0, 85.0, 60.0)]
    monkeypatch.setattr(LocalDevice, "health", lambda _: states.pop(0))
    monkeypatch.setattr("sartor.profiler.quiet._PAUSE_S", 0.01)
    told: list[str] = []
    assert wait_until_quiet(device, 5, told.append).temperature_c == 60
    assert len(told) == 2
