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
from .view import View

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
    if not device.remote or isinstance(device, Patient):
        return device
    if isinstance(device, StoppableDevice):
        return StoppableDevice(patient(device.device, patience_s, tell), device.stop)
    if isinstance(device, Interpreted):
        return with_python(patient(device.device, patience_s, tell), device.python)
    return Patient(device, patience_s, tell)


def impatient(device: Device) -> Device:
    """Return a device whose streams end with their connections, and need no Python there."""
    if isinstance(device, StoppableDevice):
        return StoppableDevice(impatient(device.device), device.stop)
    if isinstance(device, Interpreted):
        return Interpreted(impatient(device.device), device.python)
    return device.device if isinstance(device, Patient) else device


def with_python(device: Device, python: str) -> Device:
    """Return a device whose agents run by another Python, and whose relays do, too.

    A device may have no other Python at all, so patience has to go around it, not into it.
    """
    if isinstance(device, StoppableDevice):
        return StoppableDevice(with_python(device.device, python), device.stop)
    if isinstance(device, Patient):
        return device.around(Interpreted(device.device, python))
    return Interpreted(device, python)


class Patient(View):
    """A device on the other side of a connection that may break: does what ``Device`` says.

    What broke off is done again, after growing pauses, until the device has been away for too long;
    all that Sartor does on devices bears that. Streams outlast the connection (``LastingStream``).
    Nothing is tried twice as long as the device has never answered.

    Args:
        device: to be patient with.
        patience_s: how long it may be away, in seconds.
        tell: is called when the connection broke, and when there is one again.
    """

    def __init__(
        self,
        device: Device,
        patience_s: float = PATIENCE_S,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__(device)
        self._patience = Patience(device.name, patience_s, tell)

    def around(self, device: Device) -> Patient:
        """Return the same patience with another view of the same device."""
        other = Patient(device)
        other._patience = self._patience
        return other

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
