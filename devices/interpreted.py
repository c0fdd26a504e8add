"""A device whose agents run by another Python than its usual one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from .device import Completed, Device, Stream
from .facts import DeviceFacts, read_facts
from .health import Health


@dataclass(frozen=True, slots=True)
class Interpreted:
    """A device as it is, but for its Python; whoever opened the device closes it.

    Attributes:
        device: that it is.
        python: that runs agents there.
    """

    device: Device
    python: str

    @property
    def name(self) -> str:
        """The name by which users address it."""
        return self.device.name

    @property
    def root(self) -> PurePosixPath:
        """The folder on it for our files."""
        return self.device.root

    @property
    def remote(self) -> bool:
        """Whether a connection lies between us and it."""
        return self.device.remote

    def run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        """Run a program to its end; see ``Device.run``."""
        return self.device.run(argv, timeout_s)

    def push(self, local: Path, remote: PurePosixPath) -> None:
        """Copy a file whole or not at all; see ``Device.push``."""
        self.device.push(local, remote)

    def pull(self, remote: PurePosixPath, local: Path) -> None:
        """Copy a file whole or not at all; see ``Device.pull``."""
        self.device.pull(remote, local)

    def open_stream(self, argv: Sequence[str], environment: Mapping[str, str]) -> Stream:
        """Start a program and talk to it; see ``Device.open_stream``."""
        return self.device.open_stream(argv, environment)

    def facts(self) -> DeviceFacts:
        """Return what it is, that Python's packages among it."""
        return read_facts(self)

    def health(self) -> Health:
        """Return how it is right now."""
        return self.device.health()
