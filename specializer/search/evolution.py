"""Evolutionary search for the most accurate network within limits."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...tables.errors import FormatError
from ..space import Population, SearchSpace, SubNetwork
from .archive import Archive
from .feasible import check
from .polish import polish
from .problem import Problem
from .result import SearchResult


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """How long and how wildly evolution goes on.

    Attributes:
        population: networks scored in each generation, at most.
        generations: how many there are.
        parents: the best networks so far, from which the next generation descends.
        mutation: chance of each choice of a mutant to be drawn anew.

    Raises:
        FormatError: a number makes no sense.
    """

    population: int = 200
    generations: int = 150
    parents: int = 300
    mutation: float = 0.05

    def __post_init__(self) -> None:
        if min(self.population, self.generations, self.parents) < 1 or not 0 < self.mutation <= 1:
            raise FormatError(f"{self}: want counts of at least 1 and 0 < mutation <= 1")


def search(
    problem: Problem, rng: np.random.Generator, settings: SearchSettings | None = None
) -> SearchResult:
    """Find the network of the highest predicted accuracy that meets every limit of a problem.

    Evolution as in Once-for-All, on whole populations at once and with no child out of budget;
    then the best network of each context climbs by changes of one and two choices. To constrain
    the upper end of an interval instead of its middle, scale the cost.

    Args:
        problem: what is wanted.
        rng: the only source of chance: the same state gives the same result.
        settings: ``SearchSettings()`` when left out.

    Raises:
        BudgetError: a limit is no positive, finite number.
        InfeasibleBudgetError: no network meets a limit; names that of the least cost, before any
            search.
        ContradictionError: no network was found that meets two limits together, or all.

    Source: Cai et al., Once-for-All, ICLR 2020, section 3.4.
    """
    started = time.perf_counter()
    settings, space = settings or SearchSettings(), problem.space
    seed = np.array([check(problem)], np.int16)
    archive = Archive(problem.predictor)
    born, parents = _first_generation(space, seed, settings, rng), seed[:0]
    for _ in range(settings.generations):
        affordable = born[problem.meets(born)]
        fresh = archive.unseen(affordable)[: settings.population]
        parents = np.concatenate([parents, fresh])
        ranking = np.argsort(-archive.score(parents), kind="stable")
        parents = parents[ranking[: settings.parents]]
        born = _children(space, parents, settings, rng)
    champions = [
        polish(problem, archive, champion)
        for champion in _best_of_each_context(*archive.networks(space))
    ]
    finalists = np.array(champions, np.int16)
    accuracies, costs = archive.score(finalists), problem.costs(finalists)
    winner = int(np.lexsort([*costs.T[::-1], -accuracies])[0])
    return SearchResult(
        champions[winner],
        float(accuracies[winner]),
        tuple(costs[winner].tolist()),
        len(archive.scores),
        time.perf_counter() - started,
    )


def _first_generation(
    space: SearchSpace, fastest: Population, settings: SearchSettings, rng: np.random.Generator
) -> Population:
    """Draw networks between wholly random and the fastest one, so that some meet any budget."""
    drawn = space.random(10 * settings.population, rng)
    towards_fastest = rng.random((len(drawn), 1))
    mixed = np.where(rng.random(drawn.shape) < towards_fastest, fastest, drawn)
    return space.repair(np.concatenate([fastest, mixed]))


def _children(
    space: SearchSpace, parents: Population, settings: SearchSettings, rng: np.random.Generator
) -> Population:
    """Breed twice as many mutants and as many crosses as a generation needs, alternating."""
    count = 2 * settings.population
    mothers, fathers = parents[rng.integers(len(parents), size=(2, count))]
    changed = rng.random(mothers.shape) < settings.mutation
    mutants = np.where(changed, space.random(count, rng), mothers)
    crosses = np.where(rng.random(mothers.shape) < 0.5, mothers, fathers)
    children = np.stack([mutants, crosses], axis=1)
    return space.repair(children.reshape(-1, children.shape[-1]))


def _best_of_each_context(
    population: Population, accuracies: NDArray[np.float64]
) -> list[SubNetwork]:
    ranked = population[np.argsort(-accuracies, kind="stable")]
    _, first = np.unique(ranked[:, 0], return_index=True)
    return [tuple(network) for network in ranked[first].tolist()]
