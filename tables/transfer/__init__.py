"""Transfer: latencies of a new device from tables of other devices and a few measurements."""

from __future__ import annotations

from .basis import Prior
from .known import KnownDevices, known_devices
from .model import TransferModel, TransferPrediction

__all__ = ["KnownDevices", "Prior", "TransferModel", "TransferPrediction", "known_devices"]
