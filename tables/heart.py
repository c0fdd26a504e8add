"""A heart: one thread that shows, for all leases a process holds in a store, that it lives."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress

from . import lease
from .errors import StoreError
from .lease import Claim


class Heart:
    """Beats while there is a claim, from the first to the last.

    One thread and one transaction do for a whole fleet; with one of each for every lease, two
    hundred devices would write to the store forty times a second to say nothing.

    Args:
        beat: shows that the owner of some claims lives.
    """

    def __init__(self, beat: Callable[[Iterable[Claim]], None]) -> None:
        self._beat = beat
        self._claims: set[Claim] = set()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def keep(self, claim: Claim) -> None:
        """Beat for a claim, too."""
        with self._lock:
            self._claims.add(claim)
            if self._thread is None:
                self._over = threading.Event()
                self._thread = threading.Thread(
                    target=self._live, args=(self._over,), name="heart", daemon=True
                )
                self._thread.start()

    def drop(self, claim: Claim) -> None:
        """Beat for a claim no longer; after the last one the thread has ended."""
        with self._lock:
            self._claims.discard(claim)
            if self._claims or self._thread is None:
                return
            thread, self._thread = self._thread, None
            self._over.set()
        thread.join()

    def _live(self, over: threading.Event) -> None:
        while not over.wait(lease.HEARTBEAT_S):
            with self._lock:
                claims = tuple(self._claims)
            # A store in trouble is for the collectors to report, with their next window.
            with suppress(StoreError):
                self._beat(claims)
