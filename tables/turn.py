"""Turns: the threads of one process write to a store in the order in which they came."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turn:
    """A lock that is given to who has waited longest.

    SQLite lets writers try again and again, each after a longer pause, so that of two hundred
    some never get there; and every thread that waits in the database holds a connection meanwhile.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = False
        self._waiting: deque[threading.Event] = deque()

    @contextmanager
    def taken(self, patience_s: float) -> Iterator[None]:
        """Have the turn while the block runs.

        Raises:
            TimeoutError: it did not come within ``patience_s`` seconds.
        """
        self._take(patience_s)
        try:
            yield
        finally:
            self._pass_on()

    def _take(self, patience_s: float) -> None:
        with self._lock:
            if not self._taken:
                self._taken = True
                return
            mine = threading.Event()
            self._waiting.append(mine)
        came = False
        try:
            came = mine.wait(patience_s)
        finally:  # an interrupt may end the wait, too
            with self._lock:
                given = mine.is_set()
                if not given:
                    self._waiting.remove(mine)
            if given and not came:  # just too late: somebody else may have it
                self._pass_on()
        if not came:
            raise TimeoutError

    def _pass_on(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._taken = False
