"""Patience: how long to go on trying after a connection to a device broke."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from ..tables.errors import (
    ConnectionLostError,
    DeviceError,
    DeviceUnreachableError,
    HostKeyError,
)

PATIENCE_S = 120.0

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 3.0


class Patience:
    """What all that talk to one device share: since when it has been away.

    Args:
        device: what to call it.
        patience_s: how long to try, in seconds.
        tell: is called when the connection broke, and when there is one again.

    Attributes:
        patience_s: as it was given.
    """

    def __init__(
        self,
        device: str,
        patience_s: float = PATIENCE_S,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._device, self.patience_s, self._tell = device, patience_s, tell
        self._lock = threading.Lock()
        self._met = False
        self._away_since: float | None = None

    def answered(self) -> None:
        """Note that the device has answered."""
        with self._lock:
            since, self._away_since, self._met = self._away_since, None, True
        if since is not None:
            self._tell(f"{self._device} is there again after {time.monotonic() - since:.0f} s")

    def failed(self, error: DeviceError, since: float) -> None:
        """Note that there was no connection; return if it is worth while to try again.

        Where there has never been one, nothing says that there will be.

        Args:
            error: what happened.
            since: when that began for whoever asks, by ``time.monotonic``.

        Raises:
            DeviceUnreachableError: there never was a connection, or another device answers.
            ConnectionLostError: it has been away for too long.
        """
        with self._lock:
            told, now = self._away_since is not None, time.monotonic()
            self._away_since = now if self._away_since is None else self._away_since
            away_s, met = now - min(since, self._away_since), self._met
        if isinstance(error, HostKeyError) or (
            isinstance(error, DeviceUnreachableError) and not met
        ):
            raise error
        if away_s >= self.patience_s:
            raise ConnectionLostError(
                f"{self._device} did not come back within {self.patience_s:g} s ({error}); "
                "what was measured is safe: see to its power and its connection, and run the same "
                "command again"
            ) from error
        if not told:
            self._tell(f"{error}; trying again for {self.patience_s:g} s")


def pauses_s() -> Iterator[float]:
    """Yield growing pauses between attempts, in seconds."""
    pause_s = _FIRST_PAUSE_S
    while True:
        yield pause_s
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
