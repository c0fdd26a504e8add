"""Real agents of real collectors, found in /proc."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path


def agents_of(parent: int) -> list[int]:
    """Return the process ids of the agents that a process has started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            ppid = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue  # it has ended meanwhile
        if ppid == parent and b"sartor_agent" in command.split(b"\0"):
            found.append(int(folder.name))
    return found


def alive(pid: int) -> bool:
    """Tell whether a process exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(condition: Callable[[], bool], timeout_s: float = 20) -> None:
    """Wait for something that another process is about to do."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
