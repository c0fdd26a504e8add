"""Kinds of devices: what each is asked besides what every Linux is, and how it answers."""

from __future__ import annotations

from .android import ANDROID
from .kind import Concern, Kind, Part, Reading
from .nvidia import NVIDIA
from .raspberry_pi import RASPBERRY_PI

KINDS = (RASPBERRY_PI, ANDROID, NVIDIA)

__all__ = ["ANDROID", "KINDS", "NVIDIA", "RASPBERRY_PI", "Concern", "Kind", "Part", "Reading"]
