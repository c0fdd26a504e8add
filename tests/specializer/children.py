"""Programs that tests start, watch, and end; none of them outlives its test."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psutil

TIMEOUT_S = 300


@contextmanager
def child(*command: object) -> Iterator[subprocess.Popen[str]]:
    """Run a program; whatever is left of it and of its children at the end is killed."""
    with subprocess.Popen(
        [str(word) for word in command],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "default"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        try:
            yield program
        finally:
            kill_tree(program)


def finish(program: subprocess.Popen[str]) -> str:
    """Wait for a program's end; return what it wrote to stderr."""
    return program.communicate(timeout=TIMEOUT_S)[1]


def kill_tree(program: subprocess.Popen[str]) -> None:
    """Kill a program and its children, as far as they are there."""
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(program.pid)
        for process in (*parent.children(recursive=True), parent):
            with suppress(psutil.NoSuchProcess):
                process.kill()


def wait_until(holds: Callable[[], bool]) -> None:
    """Look every millisecond, because some things last only a few."""
    deadline = time.monotonic() + TIMEOUT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.001)
