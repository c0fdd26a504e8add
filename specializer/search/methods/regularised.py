"""Regularised evolution: of a population, always the oldest dies.

Source: Real et al., Regularized evolution for image classifier architecture search, AAAI 2019,
section 3.2. Seeding with known networks: So et al., The Evolved Transformer, ICML 2019, section 3.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

import numpy as np

from ...space import Population, SubNetwork
from ..feasible import check
from ..problem import Problem
from .method import Batch, Floats, bred_within, draw_within


class RegularisedEvolution:
    """Mutates the best of a few networks, and forgets networks by age, not by score.

    The published search had some hundred workers, so children were bred before their elders were
    scored; here as many are bred at once as ``workers`` says.

    Args:
        problem: whose limits all networks meet.
        population: that is alive.
        sample: among which a parent is the best.
        workers: children bred at once.
        known: networks that the first population begins with; those outside the limits are left.
    """

    def __init__(
        self,
        problem: Problem,
        population: int = 100,
        sample: int = 25,
        workers: int = 10,
        known: Collection[SubNetwork] = (),
    ) -> None:
        self._problem, self._sample, self._workers = problem, sample, workers
        self._size, self._seed = population, check(problem)
        self._alive: deque[tuple[SubNetwork, float]] = deque(maxlen=population)
        seeds = np.array([*known], np.int16).reshape(-1, 1 + len(problem.space.slots))
        self._known: Population = seeds[problem.meets(seeds)][:population]

    def ask(self, rng: np.random.Generator) -> Batch:
        """Fill the population, then breed."""
        if (missing := self._size - len(self._alive)) > 0 and not len(self._alive):
            drawn = draw_within(self._problem, self._seed, missing - len(self._known), rng)
            return Batch(np.concatenate([self._known, drawn]))
        return Batch(bred_within(self._problem, self._parents(rng), rng))

    def tell(self, batch: Batch, scores: Floats) -> None:
        """Let the new ones in; the oldest leave."""
        for network, score in zip(batch.population.tolist(), scores.tolist(), strict=True):
            self._alive.append((tuple(network), self.fitness(tuple(network), score)))

    def fitness(self, network: SubNetwork, score: float) -> float:
        """Say by what networks are compared: their accuracy."""
        del network
        return score

    def _parents(self, rng: np.random.Generator) -> Population:
        alive = list(self._alive)
        fitness = np.array([fit for _, fit in alive])
        chosen = rng.integers(len(alive), size=(self._workers, self._sample))
        best = chosen[np.arange(self._workers), fitness[chosen].argmax(axis=1)]
        return np.array([alive[index][0] for index in best.tolist()], np.int16)
