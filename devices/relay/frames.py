"""Frames: what a host and a relay say to each other, one JSON list a line."""

from __future__ import annotations

import json
from typing import Any

BEAT_S = 3.0
"""How often each side shows that it is there, whatever else it says."""

WINDOW = 1 << 20
"""Bytes that may be under way in one direction."""

SPOOL = 8 << 20
"""Bytes that a relay keeps of what its program wrote, before the program has to wait."""

CHUNK = 1 << 15
"""Bytes in one frame at most."""

LONGEST = 8 * CHUNK
"""Bytes of a frame's line at most: JSON takes six for one that is not printable."""

WORDS = 2000
"""Characters of what a program wrote to standard error that are kept."""

Frame = list[Any]
"""A kind, and values that are still to be looked at."""


class FrameError(ValueError):
    """A line is no frame."""


def frame(kind: str, *values: object) -> str:
    """Write a frame as a line, without its end: ASCII only."""
    return json.dumps([kind, *values], separators=(",", ":"))


def read_frame(line: str) -> Frame:
    """Read a frame: a kind, and values that are still to be looked at.

    Raises:
        FrameError: it is none.
    """
    if len(line) > LONGEST:
        raise FrameError("it is too long")
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise FrameError("it is not JSON") from error
    if not isinstance(found, list) or not found or not isinstance(found[0], str):
        raise FrameError("it is no frame")
    return found


def number(value: object) -> int:
    """Read a count of bytes; FrameError when it is none."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 62:
        raise FrameError("it counts nothing")
    return value


def content(value: object) -> bytes:
    """Read bytes that travelled as text; FrameError when they are none."""
    try:
        return str(value).encode("latin-1")
    except UnicodeEncodeError as error:
        raise FrameError("it carries no bytes") from error


def carried(content: bytes) -> str:
    """Write bytes as text."""
    return content.decode("latin-1")
