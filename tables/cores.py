"""Sets of processor cores, as conditions write them: ``4-7``, ``0,2``, ``0-1,4``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from .errors import FormatError

_TEXT = re.compile(r"[0-9]{1,4}(-[0-9]{1,4})?(,[0-9]{1,4}(-[0-9]{1,4})?)*")
MOST_CORES = 1 << 12
"""Cores are numbered below it; the kernel itself stops at 8192, and nobody times on so many."""


def parse_cores(text: str) -> tuple[int, ...]:
    """Read a set of cores, each once, in order; the kernel writes its lists in the same way.

    Raises:
        FormatError: it is no such list, or a range ends before it begins.
    """
    if len(text) > 5 * MOST_CORES or _TEXT.fullmatch(text) is None:
        raise FormatError(f"{text[:100]!r} is no list of cores such as 4-7 or 0,2")
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        cores = range(int(first), int(last or first) + 1)
        if not cores or cores.stop > MOST_CORES:
            raise FormatError(f"{part} in the list of cores {text[:100]} is no range of cores")
        found.update(cores)
    return tuple(sorted(found))


def cores_text(cores: Iterable[int]) -> str:
    """Write a set of cores in the one way that means it; empty for none."""
    return ",".join(
        f"{first}-{last}" if last > first else str(first) for first, last in _runs(set(cores))
    )


def _runs(cores: set[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of neighbours, in order."""
    for first in sorted(core for core in cores if core - 1 not in cores):
        last = first
        while last + 1 in cores:
            last += 1
        yield first, last
