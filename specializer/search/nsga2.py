"""The front of accuracy and several costs at once: NSGA-II, whole populations at a time.

Source: Deb et al., A fast and elitist multiobjective genetic algorithm: NSGA-II, IEEE Transactions
on Evolutionary Computation 6, 2002; its constraint handling is not needed, as no child outside the
limits is scored.
"""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...tables.errors import FormatError
from ..space import Population
from .archive import Archive
from .evolution import SearchSettings, first_generation
from .feasible import check
from .problem import Limit, Problem
from .relaxation import Floats
from .result import SearchResult

_BLOCK = 512


@dataclass(frozen=True, slots=True)
class NsgaSettings:
    """How long and how wildly evolution goes on.

    Attributes:
        population: networks that live on from each generation, and that each one breeds.
        generations: how many there are.
        mutation: chance of each choice of a child to be drawn anew.
        crossover: chance of a child to have two parents.

    Raises:
        FormatError: a number makes no sense.
    """

    population: int = 200
    generations: int = 100
    mutation: float = 0.05
    crossover: float = 0.9

    def __post_init__(self) -> None:
        shares = self.mutation, self.crossover
        if min(self.population, self.generations) < 2 or not all(0 < one <= 1 for one in shares):
            raise FormatError(f"{self}: want counts of at least 2, and shares above 0, at most 1")


def trade_offs(
    problem: Problem,
    rng: np.random.Generator,
    settings: NsgaSettings | None = None,
    known: Population | None = None,
) -> tuple[SearchResult, ...]:
    """Find networks of which none is better than another in everything.

    Args:
        problem: what is wanted. Besides the accuracy, the cost of every limit is an objective;
            a limit may be infinite.
        rng: the only source of chance.
        settings: ``NsgaSettings()`` when left out.
        known: networks to begin with, such as those of a front by one of the costs:
            (n, 1 + slots). Those outside the limits are left.

    Returns:
        All that were seen and that no other network dominates, by rising accuracy. The evaluations
        of each are those of all together, and so are its seconds.

    Raises:
        FormatError: the problem has no limit.
        BudgetError: as ``search`` raises it.
    """
    started = time.perf_counter()
    if not problem.limits:
        raise FormatError("objectives are the costs of limits, infinite if need be: give some")
    settings, archive = settings or NsgaSettings(), Archive(problem.predictor)
    # Infinite is also what is not known to cost anything, and no network of the result.
    problem = replace(problem, limits=tuple(map(_finite, problem.limits)))
    seed = check(problem)
    drawn = first_generation(problem, seed, SearchSettings(drawn=settings.population), rng)
    if known is not None:
        drawn = np.concatenate([known[problem.meets(known)], drawn])
    alive = archive.unseen(drawn)
    for _ in range(settings.generations):
        born = _children(problem, alive, _standing(problem, archive, alive), settings, rng)
        fresh = archive.unseen(born[problem.meets(born)])[: settings.population]
        alive = np.concatenate([alive, fresh])
        rank, crowding = _standing(problem, archive, alive)
        alive = alive[np.lexsort([-crowding, rank])[: settings.population]]
    population, _ = archive.networks(problem.space)
    population = population[undominated(_objectives(problem, archive, population))]
    scores, costs = archive.score(population), problem.costs(population)
    seconds = time.perf_counter() - started
    return tuple(
        SearchResult(
            tuple(population[place].tolist()),
            float(scores[place]),
            tuple(costs[place].tolist()),
            len(archive.scores),
            seconds,
        )
        for place in np.argsort(scores, kind="stable").tolist()
    )


def undominated(objectives: Floats) -> NDArray[np.intp]:
    """Find the rows, all of whose columns are to be low, that no other row dominates.

    Args:
        objectives: (n, objectives).

    Returns:
        Their indices, ascending; of equal rows the first.
    """
    _, order = np.unique(objectives, axis=0, return_index=True)
    ranked, kept = objectives[order], np.zeros((0,), np.intp)
    # What dominates a row stands before it, as it is lower in the first column that differs.
    for start in range(0, len(order), _BLOCK):
        block = ranked[start : start + _BLOCK]
        rivals = np.concatenate([ranked[kept], block])
        below = np.asarray((rivals[:, None] <= block[None]).all(axis=2))
        below[len(kept) + np.arange(len(block)), np.arange(len(block))] = False
        kept = np.concatenate([kept, start + np.flatnonzero(~below.any(axis=0))])
    return np.sort(order[kept])


def fronts(objectives: Floats) -> NDArray[np.intp]:
    """Rank rows: 0 for those that none dominates, 1 for those that only these do, …: (n,)."""
    lower = (objectives[:, None] <= objectives[None]).all(axis=2)
    dominates = lower & ~lower.T
    rank: NDArray[np.intp] = np.full(len(objectives), -1)
    above = dominates.sum(axis=0)
    for level in range(len(objectives)):
        (first,) = np.nonzero((above == 0) & (rank < 0))
        if not len(first):
            break
        rank[first] = level
        above = above - dominates[first].sum(axis=0)
    return rank


def crowding_distance(objectives: Floats, rank: NDArray[np.intp]) -> Floats:
    """Return how far apart the neighbours of each row are in its front, infinite at its ends."""
    distance = np.zeros(len(objectives))
    for level in range(int(rank.max(initial=-1)) + 1):
        (members,) = np.nonzero(rank == level)
        for column in objectives[members].T:
            order = members[np.argsort(column, kind="stable")]
            values = np.sort(column)
            width = values[-1] - values[0]
            distance[order[[0, -1]]] = np.inf
            if width > 0:
                distance[order[1:-1]] += (values[2:] - values[:-2]) / width
    return distance


def hypervolume(objectives: Floats, reference: Floats) -> float:
    """Measure what a set of points, low in all of two or three columns, dominates of a box.

    Args:
        objectives: (n, 2) or (n, 3); points that are not below the reference everywhere count
            nothing.
        reference: the upper corner of the box: (columns,).

    Source: Zitzler and Thiele, Multiobjective optimization using evolutionary algorithms, PPSN
    1998 (the size of the space covered).
    """
    points = objectives[(objectives < reference).all(axis=1)]
    if not len(points):
        return 0.0
    if objectives.shape[1] == 2:
        return _area(points, reference)
    # Between one height and the next the section is the area below all points so far.
    points = points[np.argsort(points[:, 2], kind="stable")]
    tops = np.append(points[1:, 2], reference[2])
    return float(
        sum(
            _area(points[: place + 1, :2], reference[:2]) * (top - points[place, 2])
            for place, top in enumerate(tops.tolist())
            if top > points[place, 2]
        )
    )


def _area(points: Floats, reference: Floats) -> float:
    points = points[np.lexsort([points[:, 1], points[:, 0]])]
    lowest = np.minimum.accumulate(np.append(reference[1], points[:, 1]))
    widths = reference[0] - points[:, 0]
    return float((widths * (lowest[:-1] - lowest[1:])).sum())


def _finite(limit: Limit) -> Limit:
    return limit.within(sys.float_info.max) if math.isinf(limit.most) else limit


def _objectives(problem: Problem, archive: Archive, population: Population) -> Floats:
    return np.column_stack([-archive.score(population), problem.costs(population)])


def _standing(
    problem: Problem, archive: Archive, population: Population
) -> tuple[NDArray[np.intp], Floats]:
    objectives = _objectives(problem, archive, population)
    rank = fronts(objectives)
    return rank, crowding_distance(objectives, rank)


def _children(
    problem: Problem,
    alive: Population,
    standing: tuple[NDArray[np.intp], Floats],
    settings: NsgaSettings,
    rng: np.random.Generator,
) -> Population:
    """Breed by binary tournaments, more than will be needed."""
    rank, crowding = standing
    count = 2 * settings.population
    place = np.empty(len(alive), np.intp)
    place[np.lexsort([-crowding, rank])] = np.arange(len(alive))
    pairs = rng.integers(len(alive), size=(2, count, 2))
    winners = np.take_along_axis(pairs, place[pairs].argmin(axis=2)[..., None], axis=2)[..., 0]
    space, genes = problem.space, problem.space.genes(alive)
    mothers, fathers = genes[winners[0]], genes[winners[1]]
    swaps = rng.random(mothers.shape) < 0.5 * (rng.random((count, 1)) < settings.crossover)
    crosses = np.where(swaps, fathers, mothers)
    changed = rng.random(crosses.shape) < settings.mutation
    mutants = np.where(changed, space.genes(space.random(count, rng)), crosses)
    return space.repair(space.networks(mutants))
