"""Rows: what a latency table holds for one operator, wherever the number comes from."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Row(Protocol):
    """A latency, and how far to trust it."""

    @property
    def source(self) -> str:
        """Where it comes from, in one word for people: measured, framed, published."""
        ...

    @property
    def median_ms(self) -> float:
        """The latency in milliseconds."""
        ...

    @property
    def sample_count(self) -> int | None:
        """How many inferences were timed; None where that is not known."""
        ...

    @property
    def window_medians_ms(self) -> NDArray[np.float64]:
        """One latency per pass: (passes,); empty where they are not known."""
        ...

    @property
    def relative_error(self) -> float:
        """Half-width of the 95 % confidence interval, relative; infinite where it is not known."""
        ...

    def interval_ms(self, level: float = 0.95) -> tuple[float, float] | None:
        """Return the confidence interval of the latency; None where it is not known."""
        ...
