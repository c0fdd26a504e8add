"""From names to devices."""

from __future__ import annotations

from pathlib import Path

from .address import AdbAddress
from .device import Device
from .entry import LOCAL, Entry
from .inventory import read_inventory
from .local import LocalDevice
from .ssh.address import SshAddress


def find_device(name: str, python: str = "", inventory: Path | None = None) -> Device:
    """Return the device of a name; nothing connects to it yet.

    Args:
        name: ``local``, or one of the inventory.
        python: the interpreter that is to run agents there, if not the device's usual one.
        inventory: its file; None for the usual one.

    Raises:
        UnknownNameError: there is none of that name.
        InventoryError: the inventory cannot be read, or makes no sense.
        RuntimeMissingError: a package that reaches it is not installed.
    """
    if name == LOCAL:
        return LocalDevice(python=python)
    return make_device(read_inventory(inventory).find(name), python)


def make_device(entry: Entry, python: str = "") -> Device:
    """Return the device of an entry; see ``find_device``."""
    address, python = entry.address, python or entry.python
    if isinstance(address, SshAddress):
        from .ssh import SshDevice

        return SshDevice(entry.name, address, entry.root, python)
    if isinstance(address, AdbAddress):
        from .adb import AdbDevice

        return AdbDevice(entry.name, address.serial, entry.root, python)
    return LocalDevice(Path(entry.root) if entry.root else None, python, entry.name)
