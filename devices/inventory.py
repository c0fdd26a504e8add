"""The devices that Sartor can reach, by name."""

from __future__ import annotations

from ..tables.errors import UnknownNameError
from .device import Device
from .local import LocalDevice

DEVICES = ("local",)


def find_device(name: str, python: str = "") -> Device:
    """Return the device of a name; UnknownNameError when there is none.

    Args:
        name: as users write it.
        python: the interpreter that is to run agents there, if not the device's usual one.
    """
    if name != LocalDevice.name:
        raise UnknownNameError("device", name, DEVICES)
    return LocalDevice(python=python)
