"""Processes that edit one file take turns."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..tables.errors import OutputError

_PATIENCE_S = 10.0
_PAUSE_S = 0.05


@contextmanager
def turn(path: Path) -> Iterator[None]:
    """Keep others off a file while it is read, changed and written.

    A lock of the kernel's on a neighbour of the file, which ends with this process. Folders on the
    way are made.

    Raises:
        OutputError: its folder cannot be written to, or somebody else does not end.
    """
    lock = path.with_name(f".{path.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise OutputError(
            f"cannot edit {path}: {error.strerror}; choose a folder that you may write to"
        ) from error
    try:
        deadline = time.monotonic() + _PATIENCE_S
        while not _locks(handle):
            if time.monotonic() > deadline:
                raise OutputError(
                    f"another command has been editing {path} for {_PATIENCE_S:.0f} s; wait for "
                    "it, or end it"
                )
            time.sleep(_PAUSE_S)
        yield
    finally:
        os.close(handle)


def _locks(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
