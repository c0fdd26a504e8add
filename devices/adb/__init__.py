"""Phones over ADB, Android's debug bridge."""

from .awake import Awake, kept_awake, restore
from .cleaning import remove_everything
from .client import AdbClient
from .device import ROOT, AdbDevice
from .states import Phone, parse_devices
from .stream import AdbStream

__all__ = [
    "ROOT",
    "AdbClient",
    "AdbDevice",
    "AdbStream",
    "Awake",
    "Phone",
    "kept_awake",
    "parse_devices",
    "remove_everything",
    "restore",
]
