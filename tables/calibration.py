"""Calibration: from a sum of operators to a whole network, and how far to trust it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import MeasurementError

_COVERAGE = 0.95


@dataclass(frozen=True, slots=True)
class Prediction:
    """A predicted latency, and the interval that a measurement is expected in.

    Attributes:
        latency_ms: the calibrated sum.
        low_ms: lower end of the interval.
        high_ms: upper end of the interval.
        calibrated: whether the interval is known; if not, both ends equal ``latency_ms``.
    """

    latency_ms: float
    low_ms: float
    high_ms: float
    calibrated: bool


@dataclass(frozen=True, slots=True)
class Calibration:
    """One factor from sums of operators to whole networks, with its honest error.

    A sum misses what a network pays once (dispatch, memory that moves between operators) and what
    it saves (caches that are warm); both grow with the sum, so one factor mends most of it.

    Attributes:
        scale: a network's latency over the sum of its operators'.
        leave_one_out_errors: for each network, measured over predicted minus 1, where the other
            networks alone gave the scale. Empty with fewer than two networks.
        networks: how many whole networks were measured.
    """

    scale: float = 1.0
    leave_one_out_errors: tuple[float, ...] = ()
    networks: int = 0

    @property
    def calibrated(self) -> bool:
        """Whether at least two networks tell how far a prediction is off."""
        return bool(self.leave_one_out_errors)

    @property
    def leave_one_out_error(self) -> float:
        """Mean absolute leave-one-out error; 0 where ``calibrated`` is false."""
        errors = self.leave_one_out_errors
        return math.fsum(map(abs, errors)) / len(errors) if errors else 0.0

    @property
    def margin(self) -> float:
        """Half-width of the interval, relative to the prediction; 0 where it is unknown.

        It is the ⌈0.95 (n + 1)⌉-th smallest of the n absolute leave-one-out errors, as in conformal
        prediction, and the largest of them where there are fewer than 19.
        """
        errors = sorted(map(abs, self.leave_one_out_errors))
        return errors[self._rank - 1] if errors else 0.0

    @property
    def coverage(self) -> float:
        """Share of networks, drawn like the measured ones, that the interval should hold.

        Few networks cannot promise 95 %: the largest of n errors is exceeded by one new network
        in n + 1. With five, the interval holds about 83 %; 0 where it is unknown.
        """
        return self._rank / (len(self.leave_one_out_errors) + 1)

    @property
    def _rank(self) -> int:
        count = len(self.leave_one_out_errors)
        return min(count, math.ceil(_COVERAGE * (count + 1)))

    def predict(self, sum_ms: float) -> Prediction:
        """Turn a sum of operators into the latency of the network, both in milliseconds."""
        latency_ms = self.scale * sum_ms
        low_ms, high_ms = latency_ms * max(0.0, 1 - self.margin), latency_ms * (1 + self.margin)
        return Prediction(latency_ms, low_ms, high_ms, self.calibrated)


def calibrate(pairs: Sequence[tuple[float, float]]) -> Calibration:
    """Fit the scale that minimises Σ (scale · sum / measured − 1)², a relative error.

    Args:
        pairs: (sum of operators, measured latency) of each network, in milliseconds. With none the
            scale is 1, and the result says that it is not calibrated.

    Raises:
        MeasurementError: a latency is not positive.
    """
    if not pairs:
        return Calibration()
    sums, measured = np.array(pairs, np.float64).T
    if not (np.all(np.isfinite(pairs)) and np.all(sums > 0) and np.all(measured > 0)):
        raise MeasurementError(f"networks to calibrate with take more than 0 ms, not {pairs}")
    ratios = sums / measured
    errors: NDArray[np.float64] = np.array([])
    if len(pairs) > 1:
        others = np.array([_scale(np.delete(ratios, index)) for index in range(len(pairs))])
        errors = 1 / (others * ratios) - 1
    return Calibration(_scale(ratios), tuple(map(float, errors)), len(pairs))


def _scale(ratios: NDArray[np.float64]) -> float:
    """Minimise Σ (scale · ratio − 1)² in closed form, to the last digit in any order."""
    return math.fsum(ratios) / math.fsum(ratios**2)
