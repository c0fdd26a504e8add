"""The search for the most accurate network within limits."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from ...tables.errors import FormatError
from ..space import Population, SubNetwork
from .archive import Archive
from .climb import Climber
from .exact import best_prices, solve
from .feasible import check
from .polish import polish
from .problem import Problem
from .relaxation import Floats
from .result import SearchResult
from .slopes import linear_worth, slopes_of
from .sums import sums_of
from .worth import additive_worth


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """How long and how wildly evolution goes on.

    Attributes:
        drawn: networks within the limits that are drawn and scored first.
        climbers: networks that climb at the same time.
        population: the best networks that have arrived, from which the next ones descend.
        spread: share of their choices by which any two of the population differ, at least: without
            that, all descend from one family, and a better one that is found later dies out.
        children: that set out in all.
        mutation: chance of each choice of a child to be drawn anew.
        tried: changes of each network that are scored at each step of its climb.
        finalists: networks that are examined for improvements most thoroughly, at the end.

    Raises:
        FormatError: a number makes no sense.
    """

    drawn: int = 400
    climbers: int = 40
    population: int = 20
    spread: float = 0.25
    children: int = 480
    mutation: float = 0.05
    tried: int = 8
    finalists: int = 2

    def __post_init__(self) -> None:
        counts = self.drawn, self.climbers, self.population, self.tried, self.finalists
        if min(counts) < 1 or self.children < 0 or not 0 < self.mutation <= 1:
            raise FormatError(f"{self}: want counts of at least 1 and 0 < mutation <= 1")
        if not 0 <= self.spread < 1:
            raise FormatError(f"{self}: want 0 <= spread < 1")


def search(
    problem: Problem, rng: np.random.Generator, settings: SearchSettings | None = None
) -> SearchResult:
    """Find the network of the highest predicted accuracy that meets every limit of a problem.

    Where accuracy is a sum over slots, the optimum is found and proven. Otherwise networks evolve:
    every child of two good networks first climbs, by the changes that a gradient of the predictor
    promises most of, and only where these climbs end is compared (a memetic algorithm). The prices
    of the limits, by which changes are compared, come from a linear model of the predictor.

    To constrain the upper end of an interval instead of its middle, limit that.

    Args:
        problem: what is wanted.
        rng: the only source of chance: the same state gives the same result.
        settings: ``SearchSettings()`` when left out.

    Raises:
        BudgetError: a limit is no positive, finite number.
        InfeasibleBudgetError: no network meets a limit; names that of the least cost, before any
            search.
        ContradictionError: no network was found that meets two limits together, or all.

    Source: Cai et al., Once-for-All, ICLR 2020, section 3.4 (evolution with a predictor); Moscato,
    On evolution, search, optimization, genetic algorithms and martial arts, Caltech 1989 (memetic
    algorithms).
    """
    started = time.perf_counter()
    settings, archive = settings or SearchSettings(), Archive(problem.predictor)
    result = search_with(problem, archive, settings, rng)
    return replace(result, seconds=time.perf_counter() - started)


def search_with(
    problem: Problem, archive: Archive, settings: SearchSettings, rng: np.random.Generator
) -> SearchResult:
    """Search as ``search`` does, scoring by an archive that shows afterwards what was looked at."""
    space, seed = problem.space, check(problem)
    worth = additive_worth(space, problem.predictor)
    if worth is not None:
        optimum = solve(space, problem.limits, worth, seed)
        result = finish(problem, archive, np.array([optimum.subnetwork], np.int16))
        return replace(result, accuracy_bound=result.accuracy + (optimum.bound - optimum.worth))
    start = first_generation(problem, seed, settings, rng)
    archive.score(start)
    evolved = evolve(make_climber(problem, archive, settings), start, settings, rng)
    best = evolved[: settings.finalists].tolist()
    finalists = [polish(problem, archive, tuple(network)) for network in best]
    return finish(problem, archive, np.array(finalists, np.int16))


def finish(problem: Problem, archive: Archive, finalists: Population) -> SearchResult:
    """Tell of the best of some networks, the cheapest where several are best."""
    accuracies, costs = archive.score(finalists), problem.costs(finalists)
    winner = int(np.lexsort([*costs.T[::-1], -accuracies])[0])
    return SearchResult(
        subnetwork=tuple(finalists[winner].tolist()),
        accuracy=float(accuracies[winner]),
        costs=tuple(costs[winner].tolist()),
        evaluations=len(archive.scores),
        seconds=0.0,
    )


def first_generation(
    problem: Problem, seed: SubNetwork, settings: SearchSettings, rng: np.random.Generator
) -> Population:
    """Draw networks within the limits, between wholly random and a known one.

    Of many, those that use most of what they may are taken.
    """
    space, known = problem.space, np.array([seed], np.int16)
    drawn = space.genes(space.random(10 * settings.drawn, rng))
    towards_known = rng.random((len(drawn), 1))
    mixed = np.where(rng.random(drawn.shape) < towards_known, space.genes(known), drawn)
    networks = np.concatenate([known, space.networks(mixed)])
    population = np.unique(space.repair(networks), axis=0)
    population = population[problem.meets(population)]
    most = np.array([limit.most for limit in problem.limits])
    used = (problem.costs(population) / most).max(axis=1, initial=0)
    return population[np.argsort(-used, kind="stable")[: settings.drawn]]


def make_climber(problem: Problem, archive: Archive, settings: SearchSettings) -> Climber:
    """Learn from what was scored so far what limits are worth, and what changes promise."""
    slopes = slopes_of(problem.space, problem.predictor)
    slopes.learn(archive)
    sums = sums_of(problem.space, problem.limits)
    worth = linear_worth(problem.space, archive)
    prices = best_prices(problem.space, problem.limits, worth, sums)
    return Climber(problem, sums, prices, slopes, archive, settings.tried)


def evolve(
    climber: Climber, start: Population, settings: SearchSettings, rng: np.random.Generator
) -> Population:
    """Let networks climb, and children of the best of those that have arrived.

    As soon as one network can climb no further, a child sets out in its place.

    Args:
        climber: scores and improves.
        start: networks within the limits, of which the best climb first.
        settings: how long.
        rng: of children.

    Returns:
        The best ones, the best first.
    """
    archive, problem = climber.archive, climber.problem
    going = _best(start, archive.score(start), settings.climbers)
    elite, children = going[:0], settings.children
    while len(going):
        going, moved = climber.step(going)
        arrived = np.unique(np.concatenate([elite, going[~moved]]), axis=0)
        elite = _best_apart(arrived, archive.score(arrived), settings)
        going = np.unique(going[moved], axis=0)
        wanted = min(settings.climbers - len(going), children)
        if wanted and len(elite):
            born = _children(problem, elite, wanted, settings, rng)
            fresh = archive.unseen(born[problem.meets(born)])[:wanted]
            children -= wanted
            going = np.concatenate([going, fresh])
    return elite


def _best(population: Population, scores: Floats, count: int) -> Population:
    return population[np.argsort(-scores, kind="stable")[:count]]


def _best_apart(population: Population, scores: Floats, settings: SearchSettings) -> Population:
    """Return the best networks of which no two are alike, the best first.

    Source: Pétrowski, A clearing procedure as a niching method for genetic algorithms, ICEC 1996.
    """
    ordered = population[np.argsort(-scores, kind="stable")]
    alike = int(settings.spread * ordered.shape[1])
    kept = ordered[:0]
    for network in ordered:
        if len(kept) == settings.population:
            break
        if ((kept != network).sum(axis=1) > alike).all():
            kept = np.concatenate([kept, network[None]])
    return kept


def _children(
    problem: Problem,
    parents: Population,
    count: int,
    settings: SearchSettings,
    rng: np.random.Generator,
) -> Population:
    """Cross networks, each choice from either parent, and mutate; more than will be needed."""
    space, count = problem.space, 4 * count
    mothers, fathers = space.genes(parents)[rng.integers(len(parents), size=(2, count))]
    crosses = np.where(rng.random(mothers.shape) < 0.5, mothers, fathers)
    changed = rng.random(mothers.shape) < settings.mutation
    mutants = np.where(changed, space.genes(space.random(count, rng)), crosses)
    return space.repair(space.networks(mutants))
