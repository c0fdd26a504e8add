"""Transports to devices, and what they are and how they are."""

from .device import Completed, Device, Stream
from .entry import Entry
from .facts import DeviceFacts, find_cores
from .find import find_device, make_device
from .health import Health
from .inventory import Inventory, read_inventory
from .local import LocalDevice

__all__ = [
    "Completed",
    "Device",
    "DeviceFacts",
    "Entry",
    "Health",
    "Inventory",
    "LocalDevice",
    "Stream",
    "find_cores",
    "find_device",
    "make_device",
    "read_inventory",
]
