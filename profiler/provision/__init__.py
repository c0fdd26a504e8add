"""Puts runtimes on devices, and knows what was put there."""

from .prepare import prepare
from .prepared import Part, Prepared, find_prepared
from .standing import Standing, runtime_standings
from .using import with_prepared

__all__ = [
    "Part",
    "Prepared",
    "Standing",
    "find_prepared",
    "prepare",
    "runtime_standings",
    "with_prepared",
]
