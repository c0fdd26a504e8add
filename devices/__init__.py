"""Transports to devices, and what they are and how they are."""

from .device import Completed, Device, Stream
from .facts import DeviceFacts, find_cores
from .health import Health
from .inventory import DEVICES, find_device
from .local import LocalDevice

__all__ = [
    "DEVICES",
    "Completed",
    "Device",
    "DeviceFacts",
    "Health",
    "LocalDevice",
    "Stream",
    "find_cores",
    "find_device",
]
