"""Locks of a device, so that one at a time times on it.

A lock is the kernel's, on an open file: it goes with the process that holds it, however that ends.
Run on the device as ``python -m sartor_agent.lock LOCK HOLDER PATIENCE_S``, this takes one and
holds it until standard input ends. It says what becomes of that, one JSON object a line: that it
waits for somebody, perhaps, and then how that ended, and on which machine::

    ← {"event": "waiting", "by": "process 17 on lab"}
    ← {"event": "held", "machine": "4c6f6e64-…"}
    ← {"event": "taken", "by": "process 17 on lab"}
    ← {"event": "failed", "error": "No locks available"}
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import select
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

_PAUSE_S = 0.2


class TakenError(Exception):
    """Another process holds the lock, and kept it.

    Attributes:
        by: who that is, as it calls itself.
    """

    def __init__(self, by: str) -> None:
        super().__init__(by)
        self.by = by


def take(
    lock: str, holder: str, patience_s: float, tell: Callable[[str], object] = lambda _: None
) -> IO[bytes]:
    """Take a lock; it is given back when the file is closed, or this process ends.

    Args:
        lock: path of its file, less what tells machines apart.
        holder: what this process is to be called by those who wait for it.
        patience_s: how long to wait for others, in seconds; not after standard input has ended,
            because then nobody waits for us.
        tell: is called with who is being waited for, whenever that changes.

    Raises:
        TakenError: it was not given back meanwhile.
        OSError: there is no such lock to be had.
    """
    # Machines may share the folder, as they do where homes are on a file server.
    path = Path(f"{lock}-{_machine()}.lock")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0)
    deadline, told = time.monotonic() + patience_s, ""
    while not _takes(file):
        by = os.pread(file.fileno(), 1000, 0).decode(errors="replace") or "another process"
        if by != told:
            told = by
            tell(by)
        left_s = deadline - time.monotonic()
        if left_s <= 0 or select.select([0], [], [], min(left_s, _PAUSE_S))[0]:
            file.close()
            raise TakenError(by)
    file.truncate(0)
    file.write(holder.encode())
    return file


def _takes(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _machine() -> str:
    """Return what no other running machine has: the name of this boot, where the kernel tells."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return platform.node()


def main(lock: str, holder: str, patience_s: float) -> int:
    """Hold a lock until standard input ends; return the exit status."""
    try:
        with take(lock, holder, patience_s, lambda by: _emit("waiting", by=by)):
            _emit("held", machine=_machine())
            while os.read(0, 1 << 16):
                pass
    except TakenError as error:
        _emit("taken", by=error.by)
        return 1
    except OSError as error:
        _emit("failed", error=str(error.strerror))
        return 1
    return 0


def _emit(event: str, **about: str) -> None:
    with suppress(BrokenPipeError):  # the host is gone, and nobody is left to tell
        os.write(1, (json.dumps({"event": event, **about}) + "\n").encode())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
