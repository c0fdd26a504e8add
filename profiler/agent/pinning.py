"""Pinning: which processor cores this process may use."""

from __future__ import annotations

import os


class PinningError(Exception):
    """The kernel does not let this process have the cores that it was to be pinned to."""


def pin(cores: str) -> None:
    """Pin this process, and all that it starts from now on, to a set of cores.

    Args:
        cores: their numbers, with commas between; empty to leave the choice to the kernel.

    Raises:
        PinningError: some of them are not there, are off line, or are kept from this process.
    """
    if not cores:
        return
    wanted = {int(core) for core in cores.split(",")}
    before = sorted(os.sched_getaffinity(0))
    try:
        os.sched_setaffinity(0, wanted)
    except OSError as error:
        raise PinningError(f"{error.strerror}; it may use {before}") from error
    # The kernel leaves out what it does not grant, and says nothing.
    if (granted := os.sched_getaffinity(0)) != wanted:
        raise PinningError(f"of those it may use {sorted(granted)}")
