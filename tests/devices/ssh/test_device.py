from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("paramiko", reason="pip install 'sartor[ssh]'")

from sartor.devices import Device
from sartor.devices.ssh import SshAddress, SshDevice
from sartor.tests.devices.contract import DeviceContract
from sartor.tests.real.sshd import Sshd, running_sshd, why_no_sshd

pytestmark = pytest.mark.skipif(bool(why_no_sshd()), reason=why_no_sshd())


@pytest.fixture(scope="module")
def sshd() -> Iterator[Sshd]:
    with running_sshd() as server:
        yield server


def device_on(server: Sshd, folder: Path, name: str = "pi4", **more: Path) -> SshDevice:
    """Make a device of a server that is known, and whose key is at hand."""
    known = folder / "known_hosts"
    known.write_text(server.known_hosts_line())
    config = folder / "config"
    config.write_text(server.client_config("pi", known))
    return SshDevice(name, SshAddress("pi"), config=config, known_hosts=folder / "own", **more)


class TestSshDevice(DeviceContract):
    @pytest.fixture
    def device(self, sshd: Sshd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
        device = device_on(sshd, tmp_path_factory.mktemp("client"))
        yield device
        device.run(["rm", "-rf", str(device.root)], timeout_s=10)
        device.close()
