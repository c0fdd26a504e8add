"""Latencies of every operator on a new device, from tables of others and whole networks on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import FormatError, MeasurementError
from ..operator import Operator
from ..subject import Network
from ..table import LatencyTable
from .choice import choose
from .features import count_operators, group_columns, size_columns
from .known import Floats

_LEVEL = 30.0  # prior deviation of the level, a logarithm: any speed is possible
_GROUP = 0.4  # of all operators of one kind and kernel size together, a logarithm
_SIZE = 0.2  # of a logarithm, for a typical difference in size
_NOISE = 0.02  # of a network's latency, measured and modelled, unless it is an outlier
_TAILS = 10  # degrees of freedom of the noise: less, and good networks count too little
_FLOOR = 1e-3  # of the median operator: what one takes at least that a runtime merges into another
_LEAST = 1e-6  # of a sum of operators, that a network takes whatever the offset
_ROUNDS, _HALVINGS = 200, 30
_SETTLED = 1e-8

Seen = tuple[Floats, Floats, Floats]
"""Networks that were measured: (networks, operators) counts, (networks,) logarithms, noises."""


@dataclass(frozen=True, eq=False)
class OperatorFit:
    """Operators on the new device, as far as its networks tell.

    Attributes:
        operators_ms: (operators,), all positive.
        offset_ms: what every network takes beyond their sum.
        weights: (columns,), of the model.
        counts: (networks, operators), of those that were measured.
        noises: (networks,), variance of each: an outlier's is large.
    """

    operators_ms: Floats
    offset_ms: float
    weights: Floats
    counts: Floats
    noises: Floats

    def predict(self, counts: Floats) -> Floats:
        """Return the latencies of networks, in ms: (networks, operators) to (networks,)."""
        latencies_ms: Floats = counts @ self.operators_ms + self.offset_ms
        return latencies_ms


@dataclass(frozen=True, eq=False)
class OperatorModel:
    """What tables of known devices tell of the operators on a new one.

    The logarithm of an operator's latency is a level, plus the mean of its logarithms on the known
    devices (each device less its own level), plus columns with weights that are N(0, 1) a priori:
    how each known device differs from the mean, one for each kind of operator and kernel size, and
    the logarithms of multiply-adds, weights and activations. A network takes the sum of its
    operators, and an offset that is the known devices' mean, relative to a typical network. The
    weights are those that are most likely after some networks were measured, with noise that has
    somewhat heavier tails than Gaussian noise: one network at half the clock may not decide.

    The sum is what the search needs, which adds up costs; the logarithm is what devices need, on
    which a kind of operator may be ten times as slow as on others.

    Attributes:
        known: the tables, for people.
        operators: whose latencies are estimated.
        expected: (operators,), mean logarithms; a typical network takes 1.
        columns: (operators, columns), the level first.
        offset: of every network, where a typical one takes 1.
        typical: (networks, operators), how often each operator runs in typical networks.

    Source: hierarchical linear models, as in Gelman et al., Bayesian Data Analysis, 3rd edition,
    chapter 15, whose mode is found as in section 13.1; Lange et al., Robust Statistical Modeling
    Using the t Distribution, JASA 1989 (the noise, by expectation and maximisation).
    """

    known: tuple[str, ...]
    operators: tuple[Operator, ...]
    expected: Floats
    columns: Floats
    offset: float
    typical: Floats

    @classmethod
    def learn(
        cls,
        tables: Sequence[LatencyTable],
        operators: Sequence[Operator],
        networks: Sequence[Network],
    ) -> OperatorModel:
        """Learn from the tables of known devices.

        Args:
            tables: at least one.
            operators: to estimate; every table has them all.
            networks: typical ones of these operators, by which devices are brought to one level.

        Raises:
            FormatError: no tables or networks, or one of other operators.
            MissingOperatorError: a table lacks an operator.
            MeasurementError: a table in which most operators take no time.
        """
        if not tables or not networks:
            raise FormatError("a transfer takes at least one known table, and networks")
        counts = count_operators(networks, operators)
        seen = [_seen(table, operators, counts) for table in tables]
        logs = np.array([log for log, _ in seen])
        expected = logs.mean(axis=0)
        return cls(
            tuple(_described(table) for table in tables),
            tuple(operators),
            expected,
            np.hstack(
                [
                    np.full((len(operators), 1), _LEVEL),
                    (logs - expected).T / math.sqrt(len(tables)),
                    _GROUP * group_columns(operators),
                    _SIZE * size_columns(operators),
                ]
            ),
            float(np.mean([offset for _, offset in seen])),
            counts,
        )

    def choose(self, counts: Floats, count: int) -> tuple[int, ...]:
        """Choose networks to measure so that all are predicted as surely as possible.

        Nothing but the known tables decides, so the same choice comes out each time; a shorter
        choice is the start of a longer one.

        Args:
            counts: (networks, operators), of the candidates.
            count: how many.

        Returns:
            Indices of candidates, the most telling first.

        Raises:
            MeasurementError: more are wanted than there are, or fewer than one.
        """
        _, slopes = self._networks(np.zeros(self.columns.shape[1]), counts)
        return choose(slopes, slopes, _NOISE**2, count)

    def fit(self, counts: Floats, latencies_ms: Floats) -> OperatorFit:
        """Fit the weights to networks that were measured on the new device.

        Args:
            counts: (networks, operators).
            latencies_ms: (networks,), all positive.
        """
        logs = np.log(latencies_ms)
        weights = np.zeros(self.columns.shape[1])
        weights[0] = (logs - self._networks(weights, counts)[0]).mean() / _LEVEL
        noises = np.full(len(logs), _NOISE**2)
        for _ in range(_ROUNDS):
            predicted, slopes = self._networks(weights, counts)
            aim = logs - predicted + slopes @ weights
            inverse = np.linalg.inv(slopes @ slopes.T + np.diag(noises))
            pulls = inverse @ aim
            moved = self._moved(weights, slopes.T @ pulls - weights, (counts, logs, noises))
            change = np.abs(moved - weights).max()
            weights = moved
            squares = (noises * pulls) ** 2 + noises - noises**2 * inverse.diagonal()
            noises = (_TAILS * _NOISE**2 + squares) / (_TAILS + 1)
            if change < _SETTLED:
                break
        operators_ms = np.exp(self.expected + self.columns @ weights)
        offset_ms, _ = self._offset(weights, operators_ms)
        return OperatorFit(operators_ms, offset_ms, weights, counts, noises)

    def deviations(self, fit: OperatorFit, counts: Floats) -> Floats:
        """Return how far measurements of networks are likely to be off, relative: (networks,).

        The prior says so, and which networks were measured; how well they fit does not matter, but
        for outliers.
        """
        _, known = self._networks(fit.weights, fit.counts)
        _, others = self._networks(fit.weights, counts)
        shared = others @ known.T
        gram = known @ known.T + np.diag(fit.noises)
        settled = (shared * np.linalg.solve(gram, shared.T).T).sum(axis=1)
        variances = np.maximum((others**2).sum(axis=1) - settled, 0.0) + _NOISE**2
        deviations: Floats = np.sqrt(variances)
        return deviations

    def _networks(self, weights: Floats, counts: Floats) -> tuple[Floats, Floats]:
        """Logarithms of networks' latencies, (networks,), and their slopes in the weights."""
        operators = np.exp(self.expected + self.columns @ weights)
        offset, slopes = self._offset(weights, operators)
        sums = counts @ operators
        total = np.maximum(sums + offset, _LEAST * sums)
        return np.log(total), ((counts * operators) @ self.columns + slopes) / total[:, None]

    def _offset(self, weights: Floats, operators: Floats) -> tuple[float, Floats]:
        """The offset of every network, and its slopes: (columns,).

        It takes no more from the smallest of the typical networks than half, so that none of them
        is left with nothing.
        """
        sums = self.typical @ operators
        smallest = int(np.argmin(sums))
        offset = float(np.exp(weights[0] * _LEVEL)) * self.offset
        if offset < -sums[smallest] / 2:
            slopes: Floats = -(self.typical[smallest] * operators) @ self.columns / 2
            return -float(sums[smallest]) / 2, slopes
        slopes = np.zeros(len(weights))
        slopes[0] = _LEVEL * offset
        return offset, slopes

    def _moved(self, weights: Floats, step: Floats, seen: Seen) -> Floats:
        """Go as far of a step as makes the weights more likely; nowhere at the end."""
        before = self._unlikeliness(weights, seen)
        for _ in range(_HALVINGS):
            moved = weights + step
            if self._unlikeliness(moved, seen) < before:
                return moved
            step = step / 2
        return weights

    def _unlikeliness(self, weights: Floats, seen: Seen) -> float:
        counts, logs, noises = seen
        with np.errstate(over="ignore", invalid="ignore"):  # a step may lead anywhere
            errors = logs - self._networks(weights, counts)[0]
        return float(errors @ (errors / noises) + weights @ weights)


def _seen(
    table: LatencyTable, operators: Sequence[Operator], counts: Floats
) -> tuple[Floats, float]:
    """Logarithms of a table's latencies less its level, and its offset in typical networks."""
    raw_ms = np.array([table.latency_ms(operator) for operator in operators])
    factor, offset_ms = table.calibration.line(np.maximum(counts @ raw_ms, 1e-6))
    rows_ms = factor * raw_ms
    least_ms = _FLOOR * float(np.median(rows_ms))
    if not least_ms > 0:
        raise MeasurementError(f"most operators of {table.name} take no time; leave it out")
    rows_ms = np.maximum(rows_ms, least_ms)
    level = float(np.log(counts @ rows_ms).mean())
    return np.log(rows_ms) - level, offset_ms / math.exp(level)


def _described(table: LatencyTable) -> str:
    return f"{table.name} ({table.provenance.device}, {table.provenance.condition})"
