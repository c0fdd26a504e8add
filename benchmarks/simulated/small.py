"""A small supernet for fleets: Once-for-All MobileNetV3 of a quarter of the width, at 64 pixels."""

from __future__ import annotations

from pathlib import Path

from sartor.specializer.own import OwnSupernet
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3

SMALL = OwnSupernet(MobileNetV3(width=0.25, classes=3, resolutions=(64,)), Path("no.weights"))
"""Nothing but its operators and networks is ever asked for."""
