"""How well one ranking of networks agrees with another, and how sure that is.

Kendall's τ over all networks and within groups of them, with bootstrap intervals over networks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sartor.specializer.accuracy.fit import kendall_tau

Floats = NDArray[np.float64]
Groups = NDArray[np.str_]
"""Of each network the group that it belongs to: (networks,)."""

Indices = NDArray[np.intp]
_Tau = Callable[[Floats, Floats, Groups], float]

_DRAWS = 1000
_ENDS = 0.05, 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A statistic of some networks with its 90 % bootstrap interval."""

    value: float
    low: float
    high: float


Agreement = Mapping[str, Interval | None]
"""Kendall's τ by what is compared, ALL or WITHIN; None where there is no pair to compare."""

ALL, WITHIN = "all", "within one group"


def tau_within(first: Floats, second: Floats, groups: Groups) -> float:
    """Average Kendall's τ over groups, weighted by their pairs; NaN where no group has a pair."""
    total, weight = 0.0, 0
    for group in np.unique(groups):
        inside = groups == group
        pairs = math.comb(int(inside.sum()), 2)
        if pairs:
            total += pairs * kendall_tau(first[inside], second[inside])
            weight += pairs
    return total / weight if weight else math.nan


def _tau(first: Floats, second: Floats, _: Groups) -> float:
    return kendall_tau(first, second)


_STATISTICS = {ALL: _tau, WITHIN: tau_within}


def agreement(ranking: Floats, truth: Floats, groups: Groups) -> Agreement:
    """Tell how well a ranking agrees with the true one."""
    return {
        name: bootstrap(partial(_agreement, tau, ranking, truth, groups), len(truth))
        for name, tau in _STATISTICS.items()
    }


def gain(ranking: Floats, other: Floats, truth: Floats, groups: Groups) -> Agreement:
    """Tell by how much one ranking agrees better with the true one than another does.

    Both are looked at in the same bootstrap samples, so the difference is a paired one.
    """
    return {
        name: bootstrap(partial(_gain, tau, ranking, other, truth, groups), len(truth))
        for name, tau in _STATISTICS.items()
    }


def _agreement(tau: _Tau, ranking: Floats, truth: Floats, groups: Groups, index: Indices) -> float:
    return tau(ranking[index], truth[index], groups[index])


def _gain(
    tau: _Tau, ranking: Floats, other: Floats, truth: Floats, groups: Groups, index: Indices
) -> float:
    of_other = _agreement(tau, other, truth, groups, index)
    return _agreement(tau, ranking, truth, groups, index) - of_other


def bootstrap(statistic: Callable[[Indices], float], count: int) -> Interval | None:
    """Give a statistic its percentile interval; the same samples for all of one count.

    Args:
        statistic: of the networks with some indices, of which one may come more than once; NaN
            where these networks do not have it.
        count: of networks.

    Returns:
        None where the networks do not have the statistic.

    Source: Efron and Tibshirani, An introduction to the bootstrap, 1993, section 13.3.
    """
    value = statistic(np.arange(count))
    rng = np.random.default_rng(0)
    draws = np.array([statistic(rng.integers(0, count, count)) for _ in range(_DRAWS)])
    known = draws[~np.isnan(draws)]
    if math.isnan(value) or not len(known):
        return None
    low, high = np.quantile(known, _ENDS).tolist()
    return Interval(value, low, high)
