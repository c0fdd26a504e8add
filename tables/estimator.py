"""Estimators: what a network takes by a table's rows for operators, or by those for blocks.

Which are better depends on the runtime and the device, and nobody knows beforehand. A table that
has both is asked by those that better predict the networks which it measured, each by the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from . import lookup
from .calibration import COVERAGE, Calibration, Prediction, calibrate
from .granularity import BLOCKS, OPERATORS, Granularity
from .kinds import is_block
from .operator import Operator
from .subject import Network, Subject


@dataclass(frozen=True, slots=True, eq=False)
class Estimator:
    """Latencies of networks, as calibrated sums of the rows of one granularity.

    Attributes:
        granularity: of the rows.
        latencies_ms: every row of the table, in milliseconds.
        reasons: why other subjects have no row, where somebody tried.
        calibration: from sums to networks, by the measured networks whose units all have a row.
    """

    granularity: Granularity
    latencies_ms: Mapping[Operator, float]
    reasons: Mapping[Subject, str]
    calibration: Calibration

    def covers(self, operators: Sequence[Operator]) -> bool:
        """Tell whether all that a network is taken apart into has a row."""
        return self.latencies_ms.keys() >= set(self.granularity.units(operators))

    def latency_ms(self, operator: Operator) -> float:
        """Return the latency of one row in milliseconds; MissingOperatorError without one."""
        return lookup.operator_ms(self.latencies_ms, operator, self.reasons)

    def sum_ms(self, operators: Sequence[Operator]) -> float:
        """Sum the rows of a network that runs these operators one after another, in milliseconds.

        Raises:
            MissingOperatorError: one of them has no row.
        """
        return lookup.sum_ms(self.latencies_ms, self.granularity.units(operators), self.reasons)

    def predict(self, operators: Sequence[Operator]) -> Prediction:
        """Predict the latency of such a network; MissingOperatorError as ``sum_ms``."""
        return self.calibration.predict(self.sum_ms(operators))


@dataclass(frozen=True, slots=True)
class Standing:
    """How an estimator stands among those of its table.

    Attributes:
        rows: what they are for: ``operators`` or ``blocks``.
        used: whether predictions come from them.
        networks: how many measured networks calibrate their sums.
        leave_one_out_error: mean absolute error of those, each predicted by the others; None where
            there are fewer than two.
    """

    rows: str
    used: bool
    networks: int
    leave_one_out_error: float | None


Fit = Callable[[Mapping[Network, tuple[float, float]]], Calibration]
"""From the sum of rows and the measured latency of networks, in milliseconds, to a calibration."""


def fitted(
    networks: Mapping[Network, tuple[float, float]], coverage: float = COVERAGE
) -> Calibration:
    """Calibrate by networks, whichever they are."""
    return calibrate(list(networks.values()), coverage)


def make_estimators(
    latencies_ms: Mapping[Operator, float],
    reasons: Mapping[Subject, str],
    measured: Sequence[tuple[Network, float]],
    fit: Fit = fitted,
) -> tuple[Estimator, ...]:
    """Make an estimator for each granularity that has rows, the best one first.

    The best is the one with the least mean square of the leave-one-out errors. Only errors of
    equally many networks are compared: otherwise the one that knows more networks is better, since
    two that happen to agree prove little. Where nothing is known of the errors, as in published
    tables, blocks come first, since they leave out less of what stands between operators.

    Args:
        latencies_ms: every row in milliseconds.
        reasons: why other subjects have none.
        measured: whole networks, and what they take in milliseconds.
        fit: makes a calibration of sums and measured latencies.
    """
    blocks = sum(map(is_block, latencies_ms))
    kinds = [OPERATORS] if blocks < len(latencies_ms) or not blocks else []
    if blocks:
        kinds.append(BLOCKS)
    return tuple(
        sorted(
            (_estimator(kind, latencies_ms, reasons, measured, fit) for kind in kinds), key=_rank
        )
    )


def standings(estimators: Iterable[Estimator], used: Estimator) -> tuple[Standing, ...]:
    """Tell how each of a table's estimators stands, in the same order."""
    return tuple(
        Standing(
            rows=estimator.granularity.name,
            used=estimator is used,
            networks=estimator.calibration.networks,
            leave_one_out_error=estimator.calibration.leave_one_out_error
            if estimator.calibration.calibrated
            else None,
        )
        for estimator in estimators
    )


def _estimator(
    granularity: Granularity,
    latencies_ms: Mapping[Operator, float],
    reasons: Mapping[Subject, str],
    measured: Sequence[tuple[Network, float]],
    fit: Fit,
) -> Estimator:
    bare = Estimator(granularity, latencies_ms, reasons, Calibration())
    pairs = {
        network: (bare.sum_ms(network.operators), latency_ms)
        for network, latency_ms in measured
        if network.operators and bare.covers(network.operators)
    }
    return Estimator(granularity, latencies_ms, reasons, fit(pairs))


def _rank(estimator: Estimator) -> tuple[int, float, bool]:
    calibration = estimator.calibration
    square = calibration.mean_square_error if calibration.calibrated else math.inf
    return -calibration.networks, square, estimator.granularity is not BLOCKS
