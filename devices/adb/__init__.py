"""Phones over ADB, Android's debug bridge."""

from .client import AdbClient
from .device import AdbDevice
from .states import Phone, parse_devices
from .stream import AdbStream

__all__ = ["AdbClient", "AdbDevice", "AdbStream", "Phone", "parse_devices"]
