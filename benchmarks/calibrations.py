"""Ways from sums of rows, or from any other sizes of networks, to latencies with intervals.

A factor and a line are what others use: least squares of the relative error, and intervals of
Student's t from leave-one-out errors less their leverage. The curve is what Sartor uses
(``sartor.tables.calibrate``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from sartor.tables import calibrate
from sartor.tables.calibration import COVERAGE
from sartor.tables.student import student_t

Floats = NDArray[np.float64]


class Predicted(NamedTuple):
    """Latencies of some networks, and the ends of their intervals: (n,) each, in milliseconds."""

    low: Floats
    middle: Floats
    high: Floats


class Method(Protocol):
    """A way from sizes and latencies of measured networks to latencies of others."""

    def __call__(
        self, sizes: Floats, measured: Floats, others: Floats, coverage: float = COVERAGE, /
    ) -> Predicted:
        """Predict networks of other sizes, with intervals that should hold such a share of them."""
        ...


_Terms = Callable[[Floats], list[Floats]]


def leave_one_out_error(method: Method, sizes: Floats, measured: Floats) -> float:
    """Return the root mean square of relative errors of networks that were left out in turn."""
    errors = []
    for index in range(len(sizes)):
        left = np.delete(sizes, index), np.delete(measured, index)
        errors.append(measured[index] / method(*left, sizes[[index]]).middle[0] - 1)
    return float(np.sqrt(np.mean(np.square(errors))))


def _linear(terms: _Terms) -> Method:
    """Make a method whose predictions are weighted sums of terms of the size."""

    def middle(sizes: Floats, measured: Floats, others: Floats) -> Floats:
        weighted = np.stack(terms(sizes), axis=1) / measured[:, None]
        weights, *_ = np.linalg.lstsq(weighted, np.ones(len(sizes)), rcond=None)
        return np.stack(terms(others), axis=1) @ np.asarray(weights, np.float64)

    def predict(
        sizes: Floats, measured: Floats, others: Floats, coverage: float = COVERAGE
    ) -> Predicted:
        weighted = np.stack(terms(sizes), axis=1) / measured[:, None]
        leverages = (weighted @ np.linalg.pinv(weighted)).diagonal()
        errors = []
        for index in range(len(sizes)):
            left = np.delete(sizes, index), np.delete(measured, index)
            errors.append(float(measured[index] / middle(*left, sizes[[index]])[0] - 1))
        deviation = np.sqrt(np.mean(np.square(errors) * np.maximum(0, 1 - leverages)))
        parameters, count = len(terms(sizes)), len(sizes)
        reach = student_t(coverage, count - parameters) * deviation
        margin = reach * np.sqrt(1 + parameters / count)
        predicted = middle(sizes, measured, others)
        return Predicted(predicted * (1 - margin), predicted, predicted * (1 + margin))

    return predict


def _curve(
    sizes: Floats, measured: Floats, others: Floats, coverage: float = COVERAGE
) -> Predicted:
    found = calibrate(list(zip(sizes.tolist(), measured.tolist(), strict=True)), coverage)
    return Predicted(found.low(others), found.middle(others), found.high(others))


FACTOR, LINE, CURVE = "factor", "line", "curve"

METHODS: Mapping[str, Method] = {
    FACTOR: _linear(lambda sizes: [sizes]),
    LINE: _linear(lambda sizes: [sizes, np.ones_like(sizes)]),
    CURVE: _curve,
}


class Networks(NamedTuple):
    """Networks that were measured: sums of rows, and latencies, in milliseconds: (n,) each."""

    sums: Floats
    measured: Floats

    def take(self, places: NDArray[np.intp]) -> Networks:
        """Return some of them."""
        return Networks(self.sums[places], self.measured[places])


@dataclass(frozen=True, slots=True)
class Resampled:
    """How good a method is, averaged over choices of the networks that calibrate.

    Attributes:
        mape: mean absolute error of the others, relative to what was measured.
        margin: half-width of the intervals, relative.
        coverage: share of the others that the intervals hold.
        deviation: standard deviation of that share from choice to choice.
    """

    mape: float
    margin: float
    coverage: float
    deviation: float


def resample(
    method: Method,
    ends: Networks,
    random: Networks,
    count: int,
    draws: int,
    rng: np.random.Generator,
    coverage: float = COVERAGE,
) -> Resampled:
    """Calibrate with many choices of networks, and predict all others.

    In each draw, the networks at the ends and one random network from each of equal shares of the
    others, sorted by their sums, calibrate, as ``calibration_networks`` chooses them.

    Args:
        method: to judge.
        ends: the smallest and the largest network.
        random: all others.
        count: how many networks calibrate.
        draws: how many choices of them.
        rng: that chooses.
        coverage: that intervals are made for.
    """
    order = random.sums.argsort(kind="stable")
    rows = []
    for _ in range(draws):
        shares = np.array_split(order, count - len(ends.sums))
        chosen = np.array([rng.choice(share) for share in shares], np.intp)
        known, rest = random.take(chosen), random.take(np.setdiff1d(order, chosen))
        sums = np.concatenate([ends.sums, known.sums])
        known_ms = np.concatenate([ends.measured, known.measured])
        low, middle, high = method(sums, known_ms, rest.sums, coverage)
        within = (low <= rest.measured) & (rest.measured <= high)
        error = np.abs(middle / rest.measured - 1)
        rows.append((error.mean(), (high / middle - 1).mean(), within.mean()))
    mape, margin, held = np.mean(rows, axis=0).tolist()
    return Resampled(mape, margin, held, float(np.std(rows, axis=0)[2]))
