"""Streams that outlast real connections: OpenSSH on loopback, and behind a link of our own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("paramiko", reason="pip install 'sartor[ssh]'")

from sartor.devices import Device
from sartor.devices.lasting import open_lasting_stream
from sartor.devices.patience import Patience
from sartor.devices.patient import Patient
from sartor.devices.ssh import SshAddress, SshDevice

from ..real.link import Link, running_far_sshd, why_no_link
from ..real.sshd import Sshd, running_sshd, why_no_sshd
from .contract import DeviceContract, wait_for

pytestmark = pytest.mark.skipif(bool(why_no_sshd()), reason=why_no_sshd())


def device_on(server: Sshd, folder: Path) -> SshDevice:
    """Make a device of a server that is known, and whose key is at hand."""
    known, config = folder / "known_hosts", folder / "config"
    known.write_text(server.known_hosts_line())
    config.write_text(server.client_config("pi", known))
    return SshDevice("pi4", SshAddress("pi"), config=config, known_hosts=folder / "own")


@pytest.fixture(scope="module")
def sshd() -> Iterator[Sshd]:
    with running_sshd() as server:
        yield server


class TestPatientSshDevice(DeviceContract):
    @pytest.fixture
    def device(self, sshd: Sshd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
        raw = device_on(sshd, tmp_path_factory.mktemp("client"))
        yield Patient(raw)
        raw.run(["rm", "-rf", str(raw.root)], timeout_s=10)
        raw.close()


def test_a_server_that_is_cut_again_and_again(sshd: Sshd, tmp_path: Path) -> None:
    device, told = device_on(sshd, tmp_path), list[str]()
    stream = open_lasting_stream(device, ["cat"], {}, Patience("pi4", 60, told.append))
    for number in range(5):
        stream.send_line(f"before {number}")
        sshd.cut()
        stream.send_line(f"after {number}")
        assert stream.read_line(60) == f"before {number}"
        assert stream.read_line(60) == f"after {number}"
    assert stream.close() == 0
    assert len(told) >= 10
    device.close()


@pytest.fixture
def far() -> Iterator[tuple[Sshd, Link]]:
    if why := why_no_link():
        pytest.skip(why)
    with running_far_sshd() as both:
        yield both


@pytest.mark.slow
def test_a_link_that_is_cut_in_silence_is_noticed_within_ten_seconds(
    far: tuple[Sshd, Link], tmp_path: Path
) -> None:
    server, link = far
    device, told = device_on(server, tmp_path), list[str]()
    stream = open_lasting_stream(device, ["cat"], {}, Patience("pi4", 60, told.append))
    link.cut()
    begun = time.monotonic()
    stream.send_line("into the dark")
    assert wait_for(lambda: bool(told))
    assert time.monotonic() - begun < 10.5
    link.heal()
    assert stream.read_line(60) == "into the dark"
    assert stream.close() == 0
    device.close()


@pytest.mark.slow
def test_a_link_that_loses_packets_loses_no_line(far: tuple[Sshd, Link], tmp_path: Path) -> None:
    server, link = far
    device = device_on(server, tmp_path)
    stream = open_lasting_stream(device, ["cat"], {})
    link.slow_down(10, 10)
    link.lose(0.05)
    lines = [f"{number} " + "x" * (number * 37 % 9000) for number in range(200)]
    for line in lines:
        stream.send_line(line)
    assert [stream.read_line(120) for _ in lines] == lines
    link.lose(0)
    assert stream.close() == 0
    device.close()
