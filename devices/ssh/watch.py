"""One thread that notices which connections have fallen silent."""

from __future__ import annotations

import os
import time
from threading import Lock, Thread
from typing import Protocol
from weakref import WeakSet

_TICK_S = 0.5


class Watched(Protocol):
    """A connection that can be looked at."""

    @property
    def is_alive(self) -> bool:
        """Whether there is anything left to watch."""

    def look(self, elapsed_s: float) -> None:
        """Notice what has become of it in the time since the last look, and never wait."""


_lock = Lock()
_watched: WeakSet[Watched] = WeakSet()
_watcher: tuple[int, Thread] | None = None


def watch(connection: Watched) -> None:
    """Look at a connection every now and then until it is no longer alive."""
    global _watcher  # noqa: PLW0603 (one for the whole process, whoever asks first)
    with _lock:
        _watched.add(connection)
        # A fork takes no threads along.
        if _watcher is None or _watcher[0] != os.getpid() or not _watcher[1].is_alive():
            thread = Thread(target=_look_around, daemon=True, name="sartor ssh watch")
            _watcher = (os.getpid(), thread)
            thread.start()


def _look_around() -> None:
    before_s = time.monotonic()
    while True:
        time.sleep(_TICK_S)
        now_s = time.monotonic()
        # When this process was stopped, or starved, that is no silence of anybody else's.
        if not _look_once(min(now_s - before_s, 2 * _TICK_S)):
            return
        before_s = now_s


def _look_once(elapsed_s: float) -> bool:
    """Look at each connection; False when there is none. No name here outlives the look."""
    global _watcher  # noqa: PLW0603 (see above)
    with _lock:
        connections = [one for one in _watched if one.is_alive]
        _watched.intersection_update(connections)
        if not connections:
            _watcher = None
            return False
    for connection in connections:
        connection.look(elapsed_s)
    return True
