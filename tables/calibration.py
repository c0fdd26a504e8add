"""Calibration: from a sum of operators to a whole network, and how far to trust it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import MeasurementError
from .student import student_t

COVERAGE = 0.90
"""Share of networks, drawn like the measured ones, that an interval should hold."""

_TYPICAL_ERROR = 0.015
_TYPICAL_WEIGHT = 4
"""What is assumed of errors before any was seen, and how many networks that counts as: three
runtimes showed such errors on our host (docs/benchmarks.md). Without it, a few networks that happen
to agree would promise what the next one breaks."""

_NETWORKS_FOR_OFFSET = 5

Floats = NDArray[np.float64]


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
    """A line from sums of operators to whole networks, with its honest error.

    The scale mends what grows with a network. The offset is what every network pays once (its
    start) or saves once: operators are measured cold, and a network that runs again and again finds
    a part of its weights in the caches, the same number of megabytes whatever its size.

    Attributes:
        scale: slope of the line.
        offset_ms: its height at a sum of 0, in milliseconds; mostly negative.
        smallest_ms: the smallest sum that it was fitted to. Below, latencies are proportional to
            sums, so that they never turn negative.
        leave_one_out_errors: for each network, measured over predicted minus 1, where the other
            networks alone gave the line. Empty with fewer than two networks.
        deviation: standard deviation of networks around the line, relative: from those errors, less
            what each owes to having been left out. A network at the end of the range misses a line
            through the others by more than a new one will miss the line through all.
        networks: how many whole networks were measured.
    """

    scale: float = 1.0
    offset_ms: float = 0.0
    smallest_ms: float = 0.0
    leave_one_out_errors: tuple[float, ...] = ()
    deviation: float = 0.0
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
    def mean_square_error(self) -> float:
        """Mean square of the leave-one-out errors, by which fits compete; 0 as above."""
        errors = self.leave_one_out_errors
        return math.fsum(error**2 for error in errors) / len(errors) if errors else 0.0

    @property
    def margin(self) -> float:
        """Half-width of the interval, relative to the prediction; 0 where it is unknown.

        Student's t times the deviation, with what the line's own uncertainty adds on average. Where
        the deviation is smaller than what is typical, a typical one is added with the weight of a
        few networks (as an inverse-gamma prior on the variance would).
        """
        if not self.calibrated:
            return 0.0
        count, parameters = self.networks, 2 if self.offset_ms else 1
        typical = max(self.deviation, _TYPICAL_ERROR) ** 2
        variance = (count * self.deviation**2 + _TYPICAL_WEIGHT * typical) / (
            count + _TYPICAL_WEIGHT
        )
        return student_t(COVERAGE, count) * math.sqrt(variance * (1 + parameters / count))

    @property
    def coverage(self) -> float:
        """Share of networks, drawn like the measured ones, that the interval should hold."""
        return COVERAGE if self.calibrated else 0.0

    @property
    def formula(self) -> str:
        """The line in words, such as ``× 1.012 − 0.331 ms``."""
        sign = "−" if self.offset_ms < 0 else "+"
        offset = f" {sign} {abs(self.offset_ms):.3f} ms" if self.offset_ms else ""
        return f"× {self.scale:.3f}{offset}"

    def predict(self, sum_ms: float) -> Prediction:
        """Turn a sum of operators into the latency of the network, both in milliseconds."""
        if sum_ms >= self.smallest_ms:
            latency_ms = self.scale * sum_ms + self.offset_ms
        else:
            latency_ms = (self.scale + self.offset_ms / self.smallest_ms) * sum_ms
        low_ms, high_ms = latency_ms * max(0.0, 1 - self.margin), latency_ms * (1 + self.margin)
        return Prediction(latency_ms, low_ms, high_ms, self.calibrated)


def calibrate(pairs: Sequence[tuple[float, float]]) -> Calibration:
    """Fit a scale, and an offset where it makes predictions of unseen networks better.

    Both minimise Σ (predicted / measured − 1)², a relative error. The offset needs five networks,
    and is kept if it lowers the leave-one-out error, latencies grow with sums, and no network of
    those seen gets a latency of 0 or less by it.

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
    best, errors = _scale, _left_out(_scale, sums, measured)
    if len(pairs) >= _NETWORKS_FOR_OFFSET and _sensible(*_line(sums, measured), sums):
        with_offset = _left_out(_line, sums, measured)
        if np.mean(with_offset**2) < np.mean(errors**2):
            best, errors = _line, with_offset
    scale, offset_ms = best(sums, measured)
    return Calibration(
        scale=scale,
        offset_ms=offset_ms,
        smallest_ms=float(sums.min()),
        leave_one_out_errors=tuple(errors.tolist()),
        deviation=_deviation(errors, sums, measured, offset=bool(offset_ms)),
        networks=len(pairs),
    )


Fit = Callable[[Floats, Floats], tuple[float, float]]
"""From sums and measured latencies, (networks,) each, to a scale and an offset in milliseconds."""


def _scale(sums: Floats, measured: Floats) -> tuple[float, float]:
    """Minimise Σ (scale · ratio − 1)² in closed form, to the last digit in any order."""
    ratios = sums / measured
    return math.fsum(ratios) / math.fsum(ratios**2), 0.0


def _line(sums: Floats, measured: Floats) -> tuple[float, float]:
    terms = np.stack([sums, np.ones_like(sums)], axis=1) / measured[:, None]
    (scale, offset_ms), *_ = np.linalg.lstsq(terms, np.ones(len(sums)), rcond=None)
    return float(scale), float(offset_ms)


def _sensible(scale: float, offset_ms: float, sums: Floats) -> bool:
    return scale > 0 and bool(np.all(scale * sums + offset_ms > 0))


def _fitted(fit: Fit, sums: Floats, measured: Floats, others: Floats) -> Floats:
    scale, offset_ms = fit(sums, measured)
    return scale * others + offset_ms


def _deviation(errors: Floats, sums: Floats, measured: Floats, *, offset: bool) -> float:
    """Estimate the standard deviation around a fit from its leave-one-out errors.

    The variance of such an error is that of the noise over 1 − h, h being the network's leverage.

    Source: Cook and Weisberg, Residuals and Influence in Regression (1982), section 2.2.
    """
    if not len(errors):
        return 0.0
    terms = sums[:, None] if not offset else np.stack([sums, np.ones_like(sums)], axis=1)
    weighted = terms / measured[:, None]
    leverages = (weighted @ np.linalg.pinv(weighted)).diagonal()
    return math.sqrt(float(np.mean(errors**2 * np.maximum(0.0, 1 - leverages))))


def _left_out(fit: Fit, sums: Floats, measured: Floats) -> Floats:
    """Return measured over predicted minus 1, each network predicted by the others: (networks,).

    A prediction of 0 or less, as a line through few points may make, is infinitely wrong.
    """
    if len(sums) < 2:
        return np.array([])
    parts = [
        _fitted(fit, np.delete(sums, index), np.delete(measured, index), sums[index : index + 1])
        for index in range(len(sums))
    ]
    predicted = np.concatenate(parts)
    possible = predicted > 0
    return np.where(possible, measured / np.where(possible, predicted, 1.0) - 1, np.inf)
