"""Devices at the end of a link that is slow, loses packets, or is cut."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("paramiko", reason="pip install 'sartor[ssh]'")

from sartor.devices.ssh import SshDevice
from sartor.tables.errors import ConnectionLostError, DeviceUnreachableError
from sartor.tests.devices.contract import wait_for
from sartor.tests.real.link import Link, running_far_sshd, why_no_link
from sartor.tests.real.sshd import Sshd, why_no_sshd

from .conftest import Client

WHY_NOT = why_no_sshd() or why_no_link()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]
_NOTICED_S = 10
ROUND_TRIP_S = 0.2


@pytest.fixture(scope="module")
def far() -> Iterator[tuple[Sshd, Link]]:
    with running_far_sshd() as (server, link):
        yield server, link


@pytest.fixture
def link(far: tuple[Sshd, Link]) -> Iterator[Link]:
    _, link = far
    yield link
    link.heal()
    link.lose(0)
    link.slow_down(0)


@pytest.fixture
def device(far: tuple[Sshd, Link], client: Client) -> Iterator[SshDevice]:
    device = client.device(far[0])
    yield device
    device.close()


def lost_after_s(work: Callable[[], object]) -> float:
    began_s = time.monotonic()
    with pytest.raises(ConnectionLostError):
        work()
    return time.monotonic() - began_s


def test_a_cut_is_noticed_in_time_and_healed_from(
    device: SshDevice, link: Link, far: tuple[Sshd, Link], tmp_path: Path
) -> None:
    (tmp_path / "large").write_bytes(bytes(100_000_000))
    remote = device.root / "file"
    stream = device.open_stream(["cat"], {})
    link.slow_down(50)  # so that the file is on its way for a while
    with ThreadPoolExecutor(3) as threads:
        running = threads.submit(device.run, ["sleep", "600"], 600)
        pushing = threads.submit(device.push, tmp_path / "large", remote)
        assert wait_for(lambda: len(far[0].program_pids()) >= 3)
        link.cut()
        waits_s = list(
            threads.map(
                lost_after_s, [running.result, pushing.result, lambda: stream.read_line(600)]
            )
        )
    assert max(waits_s) < _NOTICED_S
    began_s = time.monotonic()
    with pytest.raises(DeviceUnreachableError, match="cannot connect to pi4"):
        device.run(["true"], timeout_s=60)
    assert time.monotonic() - began_s < 12
    link.heal()
    link.slow_down(0)
    assert device.run(["echo", "x"], timeout_s=10).stdout == "x\n"


def test_a_short_interruption_is_sat_out(device: SshDevice, link: Link) -> None:
    stream = device.open_stream(["cat"], {})
    link.cut()
    stream.send_line("line")
    time.sleep(2)
    link.heal()
    assert stream.read_line(timeout_s=30) == "line"
    assert stream.close() == 0


def test_lost_packets_lose_nothing(device: SshDevice, link: Link, tmp_path: Path) -> None:
    sent, got = tmp_path / "sent", tmp_path / "got"
    sent.write_bytes(bytes(range(256)) * 2000)
    link.slow_down(5, jitter_ms=5)
    link.lose(0.02)
    device.push(sent, device.root / "file")
    device.pull(device.root / "file", got)
    assert got.read_bytes() == sent.read_bytes()
    stream = device.open_stream(["cat"], {})
    for number in range(20):
        stream.send_line(str(number))
    assert [stream.read_line(timeout_s=30) for _ in range(20)] == [str(n) for n in range(20)]


def test_nothing_takes_more_round_trips_than_it_has_to(
    device: SshDevice, link: Link, tmp_path: Path
) -> None:
    """Times are rounded down to round trips, of which a busy machine would only make more."""
    (tmp_path / "sent").write_bytes(bytes(10_000))
    remote = device.root / "file"
    device.push(tmp_path / "sent", remote)
    link.slow_down(1000 * ROUND_TRIP_S / 2)

    def round_trips(work: Callable[[], object]) -> int:
        fewest = 100
        for _ in range(3):
            began_s = time.monotonic()
            work()
            fewest = min(fewest, int((time.monotonic() - began_s) / ROUND_TRIP_S))
        return fewest

    assert round_trips(lambda: device.run(["true"], timeout_s=10)) == 2
    assert round_trips(lambda: device.push(tmp_path / "sent", remote)) == 3
    assert round_trips(lambda: device.pull(remote, tmp_path / "got")) <= 3
    stream = device.open_stream(["cat"], {})

    def ask() -> None:
        stream.send_line("x")
        stream.read_line(timeout_s=10)

    assert round_trips(ask) == 1
