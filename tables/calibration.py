"""Calibration: from a sum of operators to a whole network, and how far to trust it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from .curve import Curve
from .errors import MeasurementError
from .kriging import Kriging, NoisePrior
from .student import student_t

COVERAGE = 0.90
"""Share of networks, drawn like the measured ones, that an interval should hold, unless asked."""

LOWEST_COVERAGE, HIGHEST_COVERAGE = 0.50, 0.99
"""What may be asked for. Over 40 choices of 8 and of 12 networks out of 52, on three runtimes,
intervals of 50, 95 and 99 % held 48–56, 90–98 and 98–100 % of the others on average
(benchmarks/coverage.py --coverage)."""

FEWEST_NETWORKS = 3
"""With how many another coverage may be asked for. Three gave intervals so wide that those of 50 %
held 77–83 %, and those of 95 and 99 % all; of two, nobody knows."""

_TYPICAL = NoisePrior(deviation=0.01, weight=1)
"""What is assumed of errors before any was seen. Without it, a few networks that happen to agree
would promise what the next one breaks; with more, intervals hold too many (benchmarks/coverage.py).
"""

_NEUTRAL = Curve()

_KNOTS = 257
_ENOUGH = 5  # networks, of which three are left without the smallest and the largest

_FARTHEST = 7.0
"""Logarithm of the farthest that a factor is believed to be from those seen: e⁷ is a thousand."""

_BEYOND = 4.0
"""By which factor curves go on beyond the smallest and the largest network that was measured."""

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
    """Curves from sums of operators to whole networks, with their honest error.

    A factor mends what grows with a network. But networks save time, too: operators are measured
    cold, and a network that runs again and again finds a part of its weights in the caches, for
    small ones a larger part. So the factor is a smooth function of the sum.

    Attributes:
        middle: from sums to predicted latencies, both in milliseconds.
        low: to the lower ends of their intervals.
        high: to the upper ends of their intervals.
        sums_ms: of the networks that were measured, smallest first.
        leave_one_out_errors: measured over predicted minus 1, where the other networks alone gave
            the curve; empty with fewer than two networks. With five and more the smallest and the
            largest are never left out: the others would be extrapolated then, as no prediction is
            that lies between the two.
        promised: the coverage that ``low`` and ``high`` were made for.
    """

    middle: Curve = _NEUTRAL
    low: Curve = _NEUTRAL
    high: Curve = _NEUTRAL
    sums_ms: tuple[float, ...] = ()
    leave_one_out_errors: tuple[float, ...] = ()
    promised: float = COVERAGE

    @property
    def networks(self) -> int:
        """How many whole networks were measured."""
        return len(self.sums_ms)

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
        """How far intervals reach upwards, relative to the prediction: the median of networks.

        It is 0 where ``calibrated`` is false.
        """
        margins = (self.high.at(one) / self.middle.at(one) - 1 for one in self.sums_ms)
        return median(margins) if self.calibrated else 0.0

    @property
    def coverage(self) -> float:
        """Share of networks, drawn like the measured ones, that the interval should hold."""
        return self.promised if self.calibrated else 0.0

    @property
    def factors(self) -> tuple[float, ...]:
        """Predicted latency over sum, at each of ``sums_ms``."""
        return tuple(self.middle.at(one) / one for one in self.sums_ms)

    @property
    def formula(self) -> str:
        """The factors in words, such as ``× 0.553–0.981``, smallest network first."""
        ends = [f"{factor:.3f}" for factor in (*self.factors[:1], *self.factors[-1:])] or ["1"]
        return f"× {'–'.join(dict.fromkeys(ends))}"

    def predict(self, sum_ms: float) -> Prediction:
        """Turn a sum of operators into the latency of the network, both in milliseconds."""
        ends = self.low.at(sum_ms), self.high.at(sum_ms)
        return Prediction(self.middle.at(sum_ms), *ends, self.calibrated)

    def line(self, sums: Floats) -> tuple[float, float]:
        """Return the factor and the offset in milliseconds that come nearest to ``middle`` there.

        Args:
            sums: (networks,) of operators, in milliseconds; their errors are relative.
        """
        latencies = self.middle(sums)
        terms = np.stack([sums, np.ones_like(sums)], axis=1) / latencies[:, None]
        (factor, offset_ms), *_ = np.linalg.lstsq(terms, np.ones(len(sums)), rcond=None)
        return float(factor), float(offset_ms)

    def to_dict(self) -> dict[str, object]:
        """Return all numbers as values that JSON can hold."""
        found = zip(self.sums_ms, self.factors, strict=True)
        return {
            "networks": self.networks,
            "leave_one_out_error": self.leave_one_out_error,
            "margin": self.margin,
            "coverage": self.coverage,
            "factors": [{"sum_ms": sum_ms, "factor": factor} for sum_ms, factor in found],
        }


def check_coverage(coverage: float, networks: int, whose: str) -> None:
    """Refuse intervals that nothing vouches for.

    Args:
        coverage: that is asked for.
        networks: that calibrate.
        whose: for people, such as the name of a table.

    Raises:
        MeasurementError: the coverage is out of range, or the networks are too few.
    """
    if not LOWEST_COVERAGE <= coverage <= HIGHEST_COVERAGE:
        raise MeasurementError(
            f"a confidence lies between {100 * LOWEST_COVERAGE:g} and {100 * HIGHEST_COVERAGE:g} "
            f"%, where intervals were seen to hold; {100 * coverage:g} % does not"
        )
    if networks < FEWEST_NETWORKS:
        raise MeasurementError(
            f"{networks or 'no'} whole networks tell how far predictions of {whose} are off, too "
            f"few for a confidence of {100 * coverage:g} %: measure {FEWEST_NETWORKS} or more, or "
            "ask for no confidence"
        )


def calibrate(pairs: Sequence[tuple[float, float]], coverage: float = COVERAGE) -> Calibration:
    """Fit the factor from sums to networks, as a smooth function of the sum.

    The logarithm of the factor over that of the sum is kriged, its trend being what every network
    saves once: where networks were measured the curve follows them as far as their noise allows,
    and between and beyond them it knows how little it knows. Intervals are Student's.

    Args:
        pairs: (sum of operators, measured latency) of each network, in milliseconds. With none the
            factor is 1, and the result says that it is not calibrated.
        coverage: of the intervals.

    Raises:
        MeasurementError: a latency is not positive.
    """
    if not pairs:
        return Calibration()
    sums, measured = np.array(sorted(pairs), np.float64).T
    if not (np.all(np.isfinite(pairs)) and np.all(sums > 0) and np.all(measured > 0)):
        raise MeasurementError(f"networks to calibrate with take more than 0 ms, not {pairs}")
    low, middle, high = _curves(sums, measured, coverage)
    return Calibration(
        middle=middle,
        low=low,
        high=high,
        sums_ms=tuple(sums.tolist()),
        leave_one_out_errors=_left_out(sums, measured),
        promised=coverage,
    )


def _curves(
    sums: Floats, measured: Floats, coverage: float = COVERAGE
) -> tuple[Curve, Curve, Curve]:
    """Fit the lower ends, the predictions and the upper ends."""
    if len(sums) == 1:
        alone = Curve((float(sums[0]),), (float(measured[0]),))
        return alone, alone, alone
    knots = np.geomspace(sums[0] / _BEYOND, sums[-1] * _BEYOND, _KNOTS)
    logs, seen = np.log(sums), np.log(measured / sums)
    # What a network saves once is a share of its latency that falls with its size.
    kriging = Kriging(logs, seen, lambda at: np.exp(logs.mean() - at), _TYPICAL)
    factors, scales = kriging.predict(np.log(knots))
    reach = np.minimum(student_t(coverage, kriging.degrees) * scales, _FARTHEST)
    middle = np.log(knots) + np.clip(factors, seen.min() - _FARTHEST, seen.max() + _FARTHEST)
    return (
        _growing(knots, np.exp(middle - reach)),
        _growing(knots, np.exp(middle)),
        _growing(knots, np.exp(middle + reach)),
    )


def _left_out(sums: Floats, measured: Floats) -> tuple[float, ...]:
    """Return measured over predicted minus 1, each network predicted by the others."""
    count = len(sums)
    if count < 2:
        return ()
    errors = []
    for index in range(1, count - 1) if count >= _ENOUGH else range(count):
        _, middle, _ = _curves(np.delete(sums, index), np.delete(measured, index))
        errors.append(float(measured[index] / middle.at(float(sums[index])) - 1))
    return tuple(errors)


def _growing(knots: Floats, values: Floats) -> Curve:
    """Make a curve that never falls: a larger network takes no less time."""
    return Curve(tuple(knots.tolist()), tuple(np.maximum.accumulate(values).tolist()))
