"""A device seen through another object: what those derive from that change something of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .device import Completed, Device, Stream
    from .facts import DeviceFacts
    from .health import Health


class View:
    """A device as it is; whoever opened that closes it.

    Attributes:
        device: that it is.
    """

    def __init__(self, device: Device) -> None:
        self.device = device

    @property
    def name(self) -> str:
        """The name by which users address it."""
        return self.device.name

    @property
    def root(self) -> PurePosixPath:
        """A folder on it for our files."""
        return self.device.root

    @property
    def python(self) -> str:
        """The Python interpreter that runs agents there."""
        return self.device.python

    @property
    def remote(self) -> bool:
        """Whether a connection lies between us and it."""
        return self.device.remote

    def run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        """Run a program to its end; see ``Device.run``."""
        return self.device.run(argv, timeout_s)

    def push(self, local: Path, remote: PurePosixPath) -> None:
        """Copy a file to it whole or not at all; see ``Device.push``."""
        self.device.push(local, remote)

    def pull(self, remote: PurePosixPath, local: Path) -> None:
        """Copy a file from it whole or not at all; see ``Device.pull``."""
        self.device.pull(remote, local)

    def open_stream(self, argv: Sequence[str], environment: Mapping[str, str]) -> Stream:
        """Start a program and talk to it; see ``Device.open_stream``."""
        return self.device.open_stream(argv, environment)

    def facts(self) -> DeviceFacts:
        """Return what it is."""
        return self.device.facts()

    def health(self) -> Health:
        """Return how it is right now."""
        return self.device.health()
