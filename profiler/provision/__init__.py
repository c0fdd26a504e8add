"""Puts runtimes on devices, and knows what was put there."""

from .prepared import Part, Prepared, find_prepared

__all__ = [
    "Part",
    "Prepared",
    "find_prepared",
]
