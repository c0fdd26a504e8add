"""Rows: what a latency table holds for one operator, wherever the number comes from."""

from __future__ import annotations

from typing import Protocol


class Row(Protocol):
    """A latency, and how far to trust it."""

    @property
    def source(self) -> str:
        """Where it comes from, in one word for people: measured, published."""
        ...

    @property
    def median_ms(self) -> float:
        """The latency in milliseconds."""
        ...

    @property
    def sample_count(self) -> int | None:
        """How many inferences were timed; None where that is not known."""
        ...

    def interval_ms(self, level: float = 0.95) -> tuple[float, float] | None:
        """Return the confidence interval of the latency; None where it is not known."""
        ...
