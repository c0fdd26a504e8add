"""The front: the best accuracy for every budget, by one search per budget."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...tables.errors import FormatError
from ..cost import CostTensor
from .evolution import SearchSettings, search
from .fastest import largest
from .feasible import check, least
from .problem import Problem
from .result import SearchResult

_SETTINGS = SearchSettings(generations=40)
"""A point of the front shows what a budget buys; nobody ships it, so a brief search will do."""


def pareto_front(
    problem: Problem,
    rng: np.random.Generator,
    points: int = 12,
    budgets: Sequence[float] | None = None,
) -> tuple[SearchResult, ...]:
    """Find networks of which none is both cheaper, by the first limit, and more accurate.

    Args:
        problem: what is wanted. Its first limit is the axis of the front, and may be infinite;
            the others hold for every network of it.
        rng: of the search.
        points: how many budgets.
        budgets: of the first limit, ascending; without, ``points`` of them in equal ratios from
            the cheapest network to the first limit, or to the largest network where that is less.

    Returns:
        At most one result per budget; costs and accuracies both ascend.

    Raises:
        FormatError: the problem has no limit.
        BudgetError: as ``search`` raises it, for the first limit or another.
    """
    if not problem.limits:
        raise FormatError("a front needs a cost: give the problem a limit, infinite if need be")
    if budgets is None:
        budgets = _budgets(problem, points)
    axis, *others = problem.limits
    found = [
        search(replace(problem, limits=(axis.within(budget), *others)), rng, _SETTINGS)
        for budget in budgets
    ]
    front: list[SearchResult] = []
    for result in sorted(found, key=lambda result: (result.costs[0], -result.accuracy)):
        if not front or result.accuracy > front[-1].accuracy:
            front.append(result)
    return tuple(front)


def _budgets(problem: Problem, points: int) -> list[float]:
    space, axis = problem.space, problem.limits[0]
    if not math.isinf(axis.most):
        check(problem)
    most = largest(space, axis.cost) if isinstance(axis.cost, CostTensor) else space.largest
    low, high = axis.cost.evaluate(np.array([least(space, axis.cost), most], np.int16))
    high = max(low, min(high, axis.most))
    return np.geomspace(low, high, points).clip(low, high).tolist()
