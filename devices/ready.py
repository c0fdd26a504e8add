"""Devices that are made fit to be timed for a while, and are as before afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .adb import AdbDevice, kept_awake
from .device import Device
from .interpreted import Interpreted
from .patient import Patient
from .stoppable import StoppableDevice


def innermost(device: Device) -> Device:
    """Return a device without what is around it: patience, another Python, a way to stop."""
    while isinstance(device, (Interpreted, Patient, StoppableDevice)):
        device = device.device
    return device


@contextmanager
def kept_ready(
    device: Device, tell: Callable[[str], None]
) -> Iterator[tuple[tuple[str, str], ...]]:
    """Keep a phone awake, and its clocks fixed where it offers that; other devices as they are.

    Args:
        device: that is to be timed; it has to be reserved.
        tell: is called with what it refuses, and when it cannot be restored.

    Yields:
        What that is, as facts for a table's provenance: (name, value).

    Raises:
        DeviceError: the device does not answer.
    """
    if not isinstance(innermost(device), AdbDevice):
        yield ()
        return
    with kept_awake(device, tell) as made:
        for remark in made.remarks:
            tell(remark)
        yield made.pairs
