"""Transfer: latencies of a new device from tables of other devices and a few measurements."""

from __future__ import annotations

from .basis import Prior
from .estimation import estimate
from .features import count_operators
from .known import KnownDevices, known_devices
from .model import TransferModel, TransferPrediction
from .operators import OperatorFit, OperatorModel

__all__ = [
    "KnownDevices",
    "OperatorFit",
    "OperatorModel",
    "Prior",
    "TransferModel",
    "TransferPrediction",
    "count_operators",
    "estimate",
    "known_devices",
]
