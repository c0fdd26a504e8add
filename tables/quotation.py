"""Quotations: latencies that somebody else published, without their samples."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import MeasurementError
from .student import student_t


@dataclass(frozen=True, slots=True)
class Quotation:
    """A published latency: what a paper or its authors' files say, and nothing else is known of it.

    Attributes:
        median_ms: the published figure, which stands for the median. The formats that Sartor
            imports all publish a mean.
        deviation_ms: standard deviation of what was timed, where it was published.
        count: how many inferences were timed, where that was published.

    Raises:
        MeasurementError: a number that no clock can have shown.
    """

    median_ms: float
    deviation_ms: float | None = None
    count: int | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.median_ms) and self.median_ms > 0):
            raise MeasurementError(f"{self.median_ms} ms is no latency")
        deviation_ms = self.deviation_ms
        if deviation_ms is not None and not (math.isfinite(deviation_ms) and deviation_ms >= 0):
            raise MeasurementError(f"{deviation_ms} ms is no standard deviation")
        if self.count is not None and self.count < 1:
            raise MeasurementError(f"a latency of {self.count} inferences was never timed")

    @property
    def source(self) -> str:
        """Where it comes from: ``published``."""
        return "published"

    @property
    def sample_count(self) -> int | None:
        """How many inferences were timed; None where that was not published."""
        return self.count

    @property
    def window_medians_ms(self) -> NDArray[np.float64]:
        """One latency per pass: none, because no publication tells them."""
        return np.array([])

    @property
    def relative_error(self) -> float:
        """Half-width of the interval over the latency; infinite where it is not known."""
        interval_ms = self.interval_ms()
        return math.inf if interval_ms is None else interval_ms[1] / self.median_ms - 1

    def interval_ms(self, level: float = 0.95) -> tuple[float, float] | None:
        """Return the confidence interval of the mean, by Student's t, as far as it was published.

        It tells how well those inferences fix their own mean. They may all be of one process: how
        far the next process, or the next device of that model, is off, no publication tells.

        Returns:
            The interval around ``median_ms``, or None where deviation or count were not published,
            or only one inference was timed.
        """
        if self.deviation_ms is None or self.count is None or self.count < 2:
            return None
        half_width_ms = student_t(level, self.count - 1) * self.deviation_ms / math.sqrt(self.count)
        return max(0.0, self.median_ms - half_width_ms), self.median_ms + half_width_ms
