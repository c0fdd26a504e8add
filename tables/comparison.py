"""Comparison: which operators two tables disagree about, beyond noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .operator import Operator
from .row import Row
from .student import tail
from .table import LatencyTable

FALSE_DISCOVERIES = 0.05
"""Share of the operators that are said to have moved which may not have."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Change:
    """One operator in two tables.

    Attributes:
        operator: in both.
        before_ms: its latency in the first table.
        after_ms: its latency in the second.
        p_value: how likely so large a difference is by chance; 1 where a table has one pass only.
        moved: whether the difference is beyond noise, all other operators considered.
    """

    operator: Operator
    before_ms: float
    after_ms: float
    p_value: float
    moved: bool

    @property
    def difference_ms(self) -> float:
        """How much longer it takes in the second table, in milliseconds."""
        return self.after_ms - self.before_ms


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two tables, operator by operator.

    Attributes:
        changes: of the operators in both, those that moved most milliseconds first.
        only_before: operators that only the first table has.
        only_after: operators that only the second has.
        typical_ratio: median over operators of second over first; 1 where they share none.
        network_ratios: for each network that one of the tables measured and both can predict, the
            second prediction over the first.
    """

    changes: tuple[Change, ...]
    only_before: tuple[Operator, ...]
    only_after: tuple[Operator, ...]
    typical_ratio: float
    network_ratios: tuple[float, ...]

    @property
    def moved(self) -> tuple[Change, ...]:
        """The operators that moved beyond noise."""
        return tuple(change for change in self.changes if change.moved)

    @property
    def disagreement(self) -> float | None:
        """Median over networks of how far the predictions are apart; None without networks."""
        apart = [abs(ratio - 1) for ratio in self.network_ratios]
        return float(np.median(apart)) if apart else None


def compare_tables(before: LatencyTable, after: LatencyTable) -> Comparison:
    """Compare the operators of two tables, and what the two predict.

    Whether an operator moved is decided by Welch's t test over the passes of both tables, and by
    the false discovery rate over all operators: among a thousand, chance alone moves fifty.

    Source: Benjamini and Hochberg, Controlling the False Discovery Rate, J. R. Stat. Soc. B 57
    (1995), section 3.1.
    """
    common = sorted(before.rows.keys() & after.rows.keys())
    p_values = [_p_value(before.rows[one], after.rows[one]) for one in common]
    beyond = _discoveries(p_values)
    changes = [
        Change(one, before.rows[one].median_ms, after.rows[one].median_ms, p_value, moved)
        for one, p_value, moved in zip(common, p_values, beyond, strict=True)
    ]
    ratios = [
        one.after_ms / one.before_ms for one in changes if min(one.before_ms, one.after_ms) > 0
    ]
    return Comparison(
        changes=tuple(sorted(changes, key=lambda one: (not one.moved, -abs(one.difference_ms)))),
        only_before=tuple(sorted(before.rows.keys() - after.rows.keys())),
        only_after=tuple(sorted(after.rows.keys() - before.rows.keys())),
        typical_ratio=float(np.median(ratios)) if ratios else 1.0,
        network_ratios=_network_ratios(before, after),
    )


def _network_ratios(before: LatencyTable, after: LatencyTable) -> tuple[float, ...]:
    networks = {whole.network for table in (before, after) for whole in table.networks}
    return tuple(
        after.predict(network.operators).latency_ms / before.predict(network.operators).latency_ms
        for network in sorted(networks, key=str)
        if before.covers(network.operators) and after.covers(network.operators)
    )


def _p_value(before: Row, after: Row) -> float:
    """Welch's t test between the passes of two tables."""
    one, other = before.window_medians_ms, after.window_medians_ms
    if min(len(one), len(other)) < 2:
        return 1.0
    shares = [float(np.var(found, ddof=1)) / len(found) for found in (one, other)]
    apart, variance = abs(float(np.mean(one) - np.mean(other))), math.fsum(shares)
    if variance == 0:
        return 1.0 if apart == 0 else 0.0
    counts = (len(one), len(other))
    spread = math.fsum(share**2 / (n - 1) for share, n in zip(shares, counts, strict=True))
    degrees = max(1, int(variance**2 / spread))
    return tail(apart / math.sqrt(variance), degrees)


def _discoveries(p_values: Sequence[float]) -> list[bool]:
    """Tell which of many tests say something, at a false discovery rate of 5 %."""
    ordered = sorted(p_values)
    limits = [FALSE_DISCOVERIES * (rank + 1) / len(ordered) for rank in range(len(ordered))]
    passing = [p for p, limit in zip(ordered, limits, strict=True) if p <= limit]
    return [bool(passing) and p <= passing[-1] for p in p_values]
