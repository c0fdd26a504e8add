"""The front: the best accuracy for every budget, all budgets in one run."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...tables.errors import BudgetError, FormatError
from ..cost import CostTensor
from ..space import Population, SubNetwork
from .archive import Archive
from .evolution import (
    SearchSettings,
    evolve,
    finish,
    first_generation,
    make_climber,
    search,
)
from .fastest import largest
from .feasible import cheapest, check, least
from .problem import Problem
from .result import SearchResult
from .worth import additive_worth

_INHERITED = 4
"""Networks that climb at a budget because they were best at the one before."""

SETTINGS = SearchSettings(drawn=200, climbers=24, spread=0, children=100, finalists=1)
"""Of each budget: most of what is known of one is also known of the next, other families, too."""


def pareto_front(
    problem: Problem,
    rng: np.random.Generator,
    points: int = 12,
    budgets: Sequence[float] | None = None,
    settings: SearchSettings = SETTINGS,
) -> tuple[SearchResult, ...]:
    """Find networks of which none is both cheaper, by the first limit, and more accurate.

    Budgets are searched from the lowest to the highest and back, each from the best networks that
    those before it came across, so that all of them take little longer than a few alone.

    Args:
        problem: what is wanted. Its first limit is the axis of the front, and may be infinite;
            the others hold for every network of it.
        rng: of the search.
        points: how many budgets.
        budgets: of the first limit, ascending; without, ``points`` of them in equal ratios from
            the cheapest network to the first limit, or to the largest network where that is less.
        settings: of the search at each budget.

    Returns:
        At most one result per budget; costs and accuracies both ascend. The evaluations of each
        are those of all budgets together, and so are its seconds.

    Raises:
        FormatError: the problem has no limit.
        BudgetError: as ``search`` raises it, where no budget can be met together with the others.
    """
    if not problem.limits:
        raise FormatError("a front needs a cost: give the problem a limit, infinite if need be")
    started = time.perf_counter()
    chosen = _budgets(problem, points) if budgets is None else budgets
    feasible = _feasible(problem, chosen)
    if additive_worth(problem.space, problem.predictor) is not None:
        found = [search(each, rng) for each, _ in feasible]
    else:
        found = _sweep(feasible, Archive(problem.predictor), settings, rng)
    seconds = time.perf_counter() - started
    front: list[SearchResult] = []
    for result in sorted(found, key=lambda result: (result.costs[0], -result.accuracy)):
        if not front or result.accuracy > front[-1].accuracy:
            front.append(replace(result, seconds=seconds))
    return tuple(front)


def _sweep(
    feasible: Sequence[tuple[Problem, SubNetwork]],
    archive: Archive,
    settings: SearchSettings,
    rng: np.random.Generator,
) -> list[SearchResult]:
    """Search at each budget, upwards and downwards again, with one archive for all."""
    pool, climbers = _Pool(feasible[0][0], archive), []
    for problem, seed in feasible:
        drawn = first_generation(problem, seed, settings, rng)
        scores = archive.score(drawn)
        climber = make_climber(problem, archive, settings)
        own = drawn[np.argsort(-scores, kind="stable")[: settings.climbers - _INHERITED]]
        start = np.concatenate([pool.best(problem, _INHERITED), own])
        evolve(climber, np.unique(start, axis=0), settings, rng)
        climbers.append(climber)
    for climber in reversed(climbers):
        start = pool.best(climber.problem, settings.climbers)
        evolve(climber, start, replace(settings, children=settings.climbers), rng)
    return [
        finish(climber.problem, archive, pool.best(climber.problem, settings.finalists))
        for climber in climbers
    ]


class _Pool:
    """The networks of an archive with what they cost, each computed once.

    Args:
        problem: whose limits the costs are of.
        archive: that goes on growing.
    """

    def __init__(self, problem: Problem, archive: Archive) -> None:
        self._problem, self._archive = problem, archive
        self._costs = np.zeros((0, len(problem.limits)))

    def best(self, problem: Problem, count: int) -> Population:
        """Return the best networks within the limits of a problem, the best first."""
        population, scores = self._archive.networks(problem.space)
        fresh = self._problem.costs(population[len(self._costs) :])
        self._costs = np.concatenate([self._costs, fresh])
        most = np.array([limit.most for limit in problem.limits])
        (within,) = np.nonzero((self._costs <= most).all(axis=1))
        return population[within[np.argsort(-scores[within], kind="stable")[:count]]]


def _feasible(problem: Problem, budgets: Sequence[float]) -> list[tuple[Problem, SubNetwork]]:
    """Make a problem of each budget that can be met, with a network that does.

    Raises:
        BudgetError: of the last budget, where none can.
    """
    axis, *others = problem.limits
    feasible, failure = [], None
    for budget in budgets:
        each = replace(problem, limits=(axis.within(budget), *others))
        try:
            feasible.append((each, check(each)))
        except BudgetError as error:
            failure = error
    if not feasible:
        raise failure or FormatError("a front needs at least one budget")
    return feasible


def _budgets(problem: Problem, points: int) -> list[float]:
    """Choose budgets in equal ratios, from the cheapest network that meets the other limits on."""
    space, (axis, *others) = problem.space, problem.limits
    if not math.isinf(axis.most):
        check(problem)
    lowest, most = least(space, axis.cost), space.largest
    if isinstance(axis.cost, CostTensor):
        most = largest(space, axis.cost)
        if others:
            lowest = cheapest(space, axis.within(1.0), others).subnetwork or lowest
    low, high = axis.cost.evaluate(np.array([lowest, most], np.int16))
    high = max(low, min(high, axis.most))
    return list(map(float, np.geomspace(low, high, points).clip(low, high)))
