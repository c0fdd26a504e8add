"""Whether any network meets all limits: found, or shown why not, before any search."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from ...tables.errors import (
    BudgetError,
    ContradictionError,
    InfeasibleBudgetError,
    rounded_up,
)
from ..cost import CostTensor
from ..space import Population, SearchSpace, SubNetwork
from .changes import changed, changes
from .exact import Optimum, solve
from .fastest import fastest
from .problem import Cost, Limit, PeakCost, Problem, meets
from .sums import sums_of
from .worth import Worth

_MUCH = 1e6
_WORDS = {"ms": "milliseconds"}


def check(problem: Problem) -> SubNetwork:
    """Return a network that meets every limit; where there is only one, that of the least cost.

    Raises:
        BudgetError: a limit is no positive, finite number.
        InfeasibleBudgetError: no network meets one of the limits; names that of the least cost.
            Of a cost that is neither a sum nor a peak, that is only where a descent has ended.
        ContradictionError: networks meet each limit, but none was found that meets two together,
            or all; says which, and whether none exists.
    """
    space, limits = problem.space, problem.limits
    for limit in limits:
        _check_alone(space, limit)
    found, proven = _meet(space, limits)
    if found is not None:
        return found
    for pair in combinations(limits, 2):
        network, proven = _meet(space, pair)
        if network is None:
            raise _contradiction(space, pair, proven=proven)
    raise _contradiction(space, limits, proven=proven)


def least(space: SearchSpace, cost: Cost) -> SubNetwork:
    """Find the network of the least cost: exactly for sums and peaks, else by descent."""
    if isinstance(cost, CostTensor):
        return fastest(space, cost)
    if isinstance(cost, PeakCost):
        return _lowest_peak(space, cost)
    return _descend(space, cost)


def _check_alone(space: SearchSpace, limit: Limit) -> None:
    if not (math.isfinite(limit.most) and limit.most > 0):
        kind = "budget" if limit.what == "latency" else f"limit of {limit.what}"
        unit = f" of {_WORDS.get(limit.unit, limit.unit)}" if limit.unit else ""
        raise BudgetError(f"a {kind} is a positive number{unit}, not {limit.most:g}")
    network = least(space, limit.cost)
    cost = _cost(limit.cost, network)
    if not cost <= limit.most:
        raise InfeasibleBudgetError(
            space.name, limit.what, limit.unit, limit.most, space.text(network), cost
        )


def cheapest(space: SearchSpace, limit: Limit, others: Sequence[Limit]) -> Optimum:
    """Find the network of the least cost that meets some other limits.

    Args:
        space: to search in.
        limit: on a sum; only its cost counts.
        others: to be met.

    Returns:
        ``worth`` and ``bound`` are of minus the sum that the cost grows with, in parts of what the
        limit allows.
    """
    sums = sums_of(space, [limit])
    known = np.isfinite(sums.choice[0])
    worth = Worth(
        -np.where(np.isfinite(sums.fixed[0]), sums.fixed[0], 0.0),
        -np.where(known, sums.choice[0], 0.0),
    )
    hardly_limited = limit.within(_MUCH * limit.most)  # forbids what has no finite cost
    return solve(space, (*others, hardly_limited), worth)


def _meet(space: SearchSpace, limits: Sequence[Limit]) -> tuple[SubNetwork | None, bool]:
    """Look for a network that meets all limits; tell whether the answer is proven."""
    for limit in limits:
        if _all_met(limits, network := least(space, limit.cost)):
            return network, True
    sums = [limit for limit in limits if isinstance(limit.cost, CostTensor)]
    if not sums:
        within = sums_of(space, limits)
        mean = within.weighted(np.ones(1))
        found = _all_met(limits, network := fastest(space, mean))
        return (network if found else None), found or not _cost(mean, network) <= 1
    optimum = cheapest(space, sums[0], [limit for limit in limits if limit is not sums[0]])
    if optimum.subnetwork is not None and _all_met(limits, optimum.subnetwork):
        return optimum.subnetwork, True
    return None, optimum.bound == optimum.worth or optimum.bound < -1


def _contradiction(
    space: SearchSpace, limits: Sequence[Limit], *, proven: bool
) -> ContradictionError:
    texts = [limit.text for limit in limits]
    return ContradictionError(
        space.name, texts, proven=proven, advice=_advice(space, limits) or "raise one of them"
    )


def _advice(space: SearchSpace, limits: Sequence[Limit]) -> str:
    """Say what the other limits leave possible, of the first limit for which that can be told."""
    for limit in limits:
        others = [other for other in limits if other is not limit]
        if isinstance(limit.cost, CostTensor):
            network = cheapest(space, limit, others).subnetwork
            if network is not None:
                needed = rounded_up(_cost(limit.cost, network))
                rest = " and ".join(other.text for other in others)
                return f"with {rest}, allow {limit.what} of {needed} {limit.unit}".rstrip()
    return ""


def _all_met(limits: Sequence[Limit], network: SubNetwork) -> bool:
    return bool(meets(limits, np.array([network], np.int16))[0])


def _cost(cost: Cost, network: SubNetwork) -> float:
    return float(cost.evaluate(np.array([network], np.int16))[0])


def _lowest_peak(space: SearchSpace, cost: PeakCost) -> SubNetwork:
    """Halve the interval in which the lowest peak lies."""
    network = space.smallest
    low, high = 0.0, _cost(cost, network)
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        sums = sums_of(space, [Limit("", "", cost, middle)])
        within = fastest(space, sums.weighted(np.ones(1)))
        if (peak := _cost(cost, within)) <= middle:
            network, high = within, peak
        else:
            low = middle
    return network


def _descend(space: SearchSpace, cost: Cost) -> SubNetwork:
    """Take the best single change until none helps, from the smallest of each resolution."""
    starts = np.repeat(space.genes(np.array([space.smallest], np.int16)), space.axis_counts[0], 0)
    starts[:, 0] = np.arange(len(starts))
    networks = map(tuple, space.networks(starts).tolist())
    ends = [_descended(space, cost, network) for network in networks]
    return min(ends, key=lambda network: _cost(cost, network))


def _descended(space: SearchSpace, cost: Cost, network: SubNetwork) -> SubNetwork:
    current: Population = np.array([network], np.int16)
    positions, values = changes(space)
    while True:
        tried = changed(space, current, positions[:, None], values[:, None])
        costs = cost.evaluate(tried)
        if not costs.min() < cost.evaluate(current)[0]:
            return tuple(current[0].tolist())
        current = tried[[int(costs.argmin())]]
