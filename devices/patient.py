"""Devices whose connections break, as if they did not."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TypeVar

from ..tables.errors import ConnectionLostError, DeviceUnreachableError
from .device import Completed, Device, Stream
from .facts import DeviceFacts
from .health import Health
from .interpreted import Interpreted
from .lasting import open_lasting_stream
from .patience import PATIENCE_S, Patience, pauses_s
from .stoppable import StoppableDevice

Result = TypeVar("Result")


def patient(
    device: Device,
    patience_s: float = PATIENCE_S,
    tell: Callable[[str], None] = lambda _: None,
) -> Device:
    """Return a device that outlasts broken connections; the same one where none can break.

    Args:
        device: that may be far away, or patient already.
        patience_s: how long to try to get back to it, in seconds.
        tell: is called when the connection broke, and when there is one again.
    """
    inner = device
    while isinstance(inner, (Interpreted, StoppableDevice)):
        inner = inner.device
    if not device.remote or isinstance(inner, Patient):
        return device
    return Patient(device, patience_s, tell)


def impatient(device: Device) -> Device:
    """Return a device whose streams end with their connections, and need no Python there."""
    if isinstance(device, StoppableDevice):
        return StoppableDevice(impatient(device.device), device.stop)
    return device.device if isinstance(device, Patient) else device


class Patient:
    """A device on the other side of a connection that may break: does what ``Device`` says.

    What broke off is done again, after growing pauses, until the device has been away for too long;
    all that Sartor does on devices bears that. Streams outlast the connection (``LastingStream``).
    Nothing is tried twice as long as the device has never answered.

    Args:
        device: to be patient with.
        patience_s: how long it may be away, in seconds.
        tell: is called when the connection broke, and when there is one again.

    Attributes:
        device: as it was given.
    """

    def __init__(
        self,
        device: Device,
        patience_s: float = PATIENCE_S,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.device = device
        self._patience = Patience(device.name, patience_s, tell)

    @property
    def name(self) -> str:
        """The name by which users address it."""
        return self.device.name

    @property
    def root(self) -> PurePosixPath:
        """A folder on the device for our files."""
        return self.device.root

    @property
    def python(self) -> str:
        """The Python interpreter that runs agents there."""
        return self.device.python

    @property
    def remote(self) -> bool:
        """Whether a connection lies between."""
        return self.device.remote

    def run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        """Run a program to its end; see ``Device.run``."""
        return self._persist(lambda: self.device.run(argv, timeout_s))

    def push(self, local: Path, remote: PurePosixPath) -> None:
        """Copy a file whole or not at all; see ``Device.push``."""
        self._persist(lambda: self.device.push(local, remote))

    def pull(self, remote: PurePosixPath, local: Path) -> None:
        """Copy a file whole or not at all; see ``Device.pull``."""
        self._persist(lambda: self.device.pull(remote, local))

    def open_stream(self, argv: Sequence[str], environment: Mapping[str, str]) -> Stream:
        """Start a program that outlives the connection; see ``open_lasting_stream``."""
        return open_lasting_stream(self.device, argv, environment, self._patience)

    def facts(self) -> DeviceFacts:
        """Return what the device is."""
        return self._persist(self.device.facts)

    def health(self) -> Health:
        """Return how the device is right now."""
        return self._persist(self.device.health)

    def _persist(self, act: Callable[[], Result]) -> Result:
        """Do something until the connection holds."""
        since, pauses = time.monotonic(), pauses_s()
        while True:
            try:
                result = act()
            except (ConnectionLostError, DeviceUnreachableError) as error:
                self._patience.failed(error, since)
            else:
                self._patience.answered()
                return result
            time.sleep(next(pauses))
