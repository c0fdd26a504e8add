"""Measurements: latencies that cannot exist without the samples they come from."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import MeasurementError
from .student import student_t


@dataclass(frozen=True, slots=True)
class Window:
    """What one agent process timed in one go.

    Attributes:
        pass_index: which pass over the plan it belongs to (0, 1, …); each is a process of its own.
        samples_us: one latency per inference, in microseconds.
        preempted: how many inferences were dropped, because another program ran meanwhile.
        reference_us: median of the reference model when that process last timed it: the level of
            the machine at that time.
        started_at: UTC, ISO 8601.

    Raises:
        MeasurementError: no samples, or a number that no clock can have shown.
    """

    pass_index: int
    samples_us: tuple[float, ...]
    preempted: int
    reference_us: float
    started_at: str

    def __post_init__(self) -> None:
        if not self.samples_us:
            raise MeasurementError("a window without samples is no measurement; time it again")
        for value in (*self.samples_us, self.reference_us):
            if not (math.isfinite(value) and value > 0):
                raise MeasurementError(f"a window holds {value} µs, which no clock can have shown")
        if self.pass_index < 0 or self.preempted < 0:
            raise MeasurementError(
                f"pass {self.pass_index} and {self.preempted} pre-empted inferences are no counts"
            )


@dataclass(frozen=True, slots=True)
class Measurement:
    """All windows of one operator or network, and what follows from them.

    Machines drift: clocks rise and fall, caches fill, neighbours wake up. Between two processes the
    whole level moves by some percent, so each window is multiplied by ``reference_us`` over its own
    reference, as if all had run while the reference model took ``reference_us``. Every latency
    below is corrected in this way.

    Attributes:
        windows: at least one, each of another pass.
        reference_us: the level to correct to; one for a whole table (``reference_level_us``).

    Raises:
        MeasurementError: no windows, two of one pass, or a level that makes no sense.
    """

    windows: tuple[Window, ...]
    reference_us: float

    def __post_init__(self) -> None:
        if not self.windows:
            raise MeasurementError("a measurement has at least one window of samples")
        if len({window.pass_index for window in self.windows}) < len(self.windows):
            raise MeasurementError("two windows of one pass; each pass measures a subject once")
        if not (math.isfinite(self.reference_us) and self.reference_us > 0):
            raise MeasurementError(f"{self.reference_us} µs is no level to correct to")

    @property
    def source(self) -> str:
        """Where it comes from: ``measured``."""
        return "measured"

    @property
    def sample_count(self) -> int:
        """How many inferences were timed."""
        return sum(len(window.samples_us) for window in self.windows)

    @property
    def samples_ms(self) -> NDArray[np.float64]:
        """All samples, window after window: (samples,)."""
        return np.concatenate([self._corrected_ms(window) for window in self.windows])

    @property
    def window_medians_ms(self) -> NDArray[np.float64]:
        """One median per window: (windows,)."""
        return np.array([np.median(self._corrected_ms(window)) for window in self.windows])

    @property
    def median_ms(self) -> float:
        """The latency: the median of the windows' medians, so that every process counts once."""
        return float(np.median(self.window_medians_ms))

    def interval_ms(self, level: float = 0.95) -> tuple[float, float] | None:
        """Return the confidence interval of the latency: Student's t over the windows' medians.

        Samples of one process share its memory layout and its moment: they agree with each other
        far better than with the next process. Pooled as if independent, a thousand of them would
        promise an interval that the next run misses. So a process counts as one observation.

        Returns:
            The interval around ``median_ms``, or None with a single window: one process says
            nothing about the next.
        """
        ends_ms = interval(self.median_ms, self.window_medians_ms, level)
        return None if ends_ms is None else (max(0.0, ends_ms[0]), ends_ms[1])

    @property
    def relative_error(self) -> float:
        """Half-width of the 95 % confidence interval over the latency; infinite after one pass."""
        return relative_half_width(self.window_medians_ms, self.median_ms)

    def _corrected_ms(self, window: Window) -> NDArray[np.float64]:
        factor = self.reference_us / window.reference_us / 1000
        return np.array(window.samples_us) * factor


def half_width(medians: NDArray[np.float64], level: float = 0.95) -> float | None:
    """Half the confidence interval of a mean by Student's t; None with fewer than two values."""
    if len(medians) < 2:
        return None
    error = float(np.std(medians, ddof=1)) / math.sqrt(len(medians))
    return student_t(level, len(medians) - 1) * error


def interval(
    middle: float, medians: NDArray[np.float64], level: float = 0.95
) -> tuple[float, float] | None:
    """Put the confidence interval of a mean around a middle; None with fewer than two values."""
    reach = half_width(medians, level)
    return None if reach is None else (middle - reach, middle + reach)


def relative_half_width(medians: NDArray[np.float64], whole: float) -> float:
    """Half the 95 % confidence interval of a mean, over a whole; infinite with one value."""
    reach = half_width(medians)
    return math.inf if reach is None else reach / whole


def reference_level_us(windows: Iterable[Window]) -> float:
    """Return the level that a table corrects to: the median of all its windows' references."""
    references = [window.reference_us for window in windows]
    if not references:
        raise MeasurementError("no windows, so no level of the reference model")
    return float(np.median(references))
