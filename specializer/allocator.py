"""Memory that torch frees, kept for its next tensor."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of glibc's malloc.h
_NEVER = 2**31 - 1


def keep_freed_memory() -> None:
    """Let this process keep what it frees; nothing happens where the C library is not glibc.

    Every layer frees tensors of some MB that the next one asks for again. glibc hands them back to
    the system in between, and clearing the pages anew took a fifth of all time on a CPU. In a
    worker of Dask, which asks for handing back at 64 KB, it took two thirds.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, _NEVER)
