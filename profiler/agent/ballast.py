"""Memory that nobody needs, to push everything else out of caches."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class Ballast(Protocol):
    """Memory next to the models that are to be found cold."""

    def touch(self, size: int) -> None:
        """Read or write so many bytes of it."""


class HostBallast:
    """Memory of the host, which processors read."""

    def __init__(self) -> None:
        self._content = np.zeros(0, np.uint8)

    def touch(self, size: int) -> None:
        """Read so many bytes."""
        if len(self._content) < size:
            self._content = np.ones(size, np.uint8)
        self._content[:size].max(initial=0)
