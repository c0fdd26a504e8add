from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sartor.devices.ssh import SshAddress, SshDevice
from sartor.tests.real.sshd import Sshd, running_sshd, why_no_sshd

if TYPE_CHECKING:
    from sartor.tests.real.rogue_sshd import Rogue


@pytest.fixture(scope="session")
def sshd() -> Iterator[Sshd]:
    """A server; tests leave it as it was."""
    if why := why_no_sshd():
        pytest.skip(why)
    with running_sshd() as server:
        yield server


@pytest.fixture
def own_sshd() -> Iterator[Sshd]:
    """A server that a test may change as it likes."""
    if why := why_no_sshd():
        pytest.skip(why)
    with running_sshd() as server:
        yield server


class Client:
    """What a user has: a config, known hosts, and Sartor's own file of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config"
        self.known_hosts = folder / "known_hosts"
        self.own_known_hosts = folder / "own" / "known_hosts"

    def device(
        self,
        server: Sshd | Rogue,
        name: str = "pi4",
        more: str = "",
        *,
        is_known: bool = True,
        keys: Sequence[Path] = (),
    ) -> SshDevice:
        """Make a device of a server, whose key is at hand.

        Args:
            server: to log in to.
            name: of the device, and of the host in the config.
            more: lines of the config that win over all others.
            is_known: whether the user knows the server's host key.
            keys: to log in by, by default the one that may.
        """
        with self.known_hosts.open("a") as known:
            known.write(server.known_hosts_line() if is_known else "")
        text = server.client_config(name, self.known_hosts, keys)
        lines = text.splitlines(keepends=True)
        with self.config.open("a") as config:
            config.write("".join([lines[0], f"{more}\n", *lines[1:]]))
        return self.make(name)

    def make(self, name: str) -> SshDevice:
        """Make a device of a host that the config has already."""
        address = SshAddress(name)
        return SshDevice(name, address, config=self.config, known_hosts=self.own_known_hosts)


@pytest.fixture
def client(tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(tmp_path_factory.mktemp("client"))
