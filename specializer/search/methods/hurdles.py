"""Progressive dynamic hurdles: little effort for all, more for those that clear the hurdles.

Source: So et al., The Evolved Transformer, ICML 2019, section 3 (tournament selection with
progressive dynamic hurdles, a first population seeded with known networks).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from ...space import Population, SubNetwork
from ..feasible import check
from ..problem import Problem
from .method import Batch, Floats, bred_within, draw_within

EFFORTS = (1 / 16, 1 / 4, 1.0)
"""What an evaluation takes in all when it ends at each hurdle."""

_ROUNDING = 1e-9
"""By which the mean of equal scores may exceed them; then none of them would clear it."""


class Hurdles:
    """Tournament selection in which evaluations are cut short where they promise little.

    Every network gets the least effort at first. Whenever a hurdle's number of networks was seen,
    the mean of those that have come as far is the next hurdle, and whoever clears it gets more; so
    do those of the population that clear it as it is raised, or the best of a small space might
    never be evaluated in full. The published search trains a model further; here the evaluation is
    made anew with more effort, and counts in full.

    Args:
        problem: whose limits all networks meet.
        population: that is alive; the worst of a few dies for each that is born.
        sample: among which a parent is the best, and the dying one the worst.
        workers: children bred at once.
        children: that are seen before the next hurdle is raised.
        efforts: ascending, the last one 1.
        known: networks that the first population begins with.
    """

    def __init__(
        self,
        problem: Problem,
        population: int = 100,
        sample: int = 30,
        workers: int = 10,
        children: int = 500,
        efforts: Sequence[float] = EFFORTS,
        known: Collection[SubNetwork] = (),
    ) -> None:
        self._problem, self._size, self._sample = problem, population, sample
        self._workers, self._children, self._efforts = workers, children, tuple(efforts)
        self._seed = check(problem)
        seeds = np.array([*known], np.int16).reshape(-1, 1 + len(problem.space.slots))
        self._known: Population = seeds[problem.meets(seeds)][:population]
        self._alive: Population = seeds[:0]
        self._fitness: Floats = np.zeros(0)
        self._levels: NDArray[np.intp] = np.zeros(0, np.intp)
        self._hurdles: list[float] = []
        self._reached: list[list[float]] = [[] for _ in efforts]
        self._seen = 0
        self._going: Population = seeds[:0]
        self._level = 0
        self._promoted: list[tuple[Population, int]] = []

    def ask(self, rng: np.random.Generator) -> Batch:
        """Take those that are under way over their next hurdle, or breed."""
        if not len(self._going) and self._promoted:
            self._going, self._level = self._promoted.pop()
        if len(self._going):
            return Batch(self._going, self._efforts[self._level])
        self._level = 0
        if not len(self._alive):
            missing = self._size - len(self._known)
            drawn = draw_within(self._problem, self._seed, missing, rng)
            return Batch(np.concatenate([self._known, drawn]), self._efforts[0])
        self._die(rng)
        chosen = rng.integers(len(self._alive), size=(self._workers, self._sample))
        best = chosen[np.arange(self._workers), self._fitness[chosen].argmax(axis=1)]
        return Batch(bred_within(self._problem, self._alive[best], rng), self._efforts[0])

    def tell(self, batch: Batch, scores: Floats) -> None:
        """Let those that clear the hurdle go on; the others are done."""
        level, self._going = self._level, batch.population[:0]
        self._reached[level] += scores.tolist()
        clears: NDArray[np.bool_] = np.zeros(len(scores), bool)
        if level < len(self._hurdles):
            clears = scores >= self._hurdles[level] - _ROUNDING
        self._enter(batch.population[~clears], scores[~clears], level)
        if clears.any():
            self._going, self._level = batch.population[clears], level + 1
        if level == 0:
            self._seen += len(scores)
        due = self._children * (len(self._hurdles) + 1)
        if self._seen >= due and len(self._hurdles) < len(self._efforts) - 1:
            self._hurdles.append(float(np.mean(self._reached[len(self._hurdles)])))
            self._promote(len(self._hurdles) - 1)

    def _promote(self, level: int) -> None:
        """Let those of the population go on that came to a hurdle before it was there."""
        clears = (self._levels == level) & (self._fitness >= self._hurdles[level] - _ROUNDING)
        if clears.any():
            self._promoted.append((self._alive[clears], level + 1))
            self._keep(~clears)

    def _enter(self, population: Population, scores: Floats, level: int) -> None:
        self._alive = np.concatenate([self._alive, population])
        self._fitness = np.concatenate([self._fitness, scores])
        self._levels = np.concatenate([self._levels, np.full(len(scores), level, np.intp)])

    def _keep(self, chosen: NDArray[np.bool_]) -> None:
        self._alive, self._fitness = self._alive[chosen], self._fitness[chosen]
        self._levels = self._levels[chosen]

    def _die(self, rng: np.random.Generator) -> None:
        """Of a few that are drawn the worst one dies, until the population has its size."""
        while len(self._alive) > self._size:
            drawn = rng.integers(len(self._alive), size=self._sample)
            worst = int(drawn[self._fitness[drawn].argmin()])
            self._keep(np.arange(len(self._alive)) != worst)
