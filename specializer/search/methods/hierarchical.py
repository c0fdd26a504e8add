"""Hierarchical crossover: networks are made of stages, and good stages are kept for reuse.

A child is crossed at one of three levels: whole stages from two parents, slots within them, or one
stage from an archive of the best that were seen. The archive is curated: it holds, of each stage
and each range of what such a stage costs, the filling that stood in the best network, so that a
dear one never displaces a cheap one.

Source: ours. It follows Liu et al., Hierarchical representations for efficient architecture
search, ICLR 2018 (motifs that are reused as units), and Mouret and Clune, Illuminating search
spaces by mapping elites, 2015 (an archive by kind, each kind's best).
"""

from __future__ import annotations

from itertools import accumulate, pairwise

import numpy as np

from ...cost import CostTensor
from ...space import Population
from ..feasible import check
from ..problem import Problem
from .method import Batch, Floats, bred_within, draw_within

_RANGES = 12
"""Of what a stage's fillings cost, for each of which the best filling is kept."""
_ROUNDS = 10


class Hierarchical:
    """Evolution with crossover between and within stages, and an archive of good stages.

    Args:
        problem: whose limits all networks meet. Stages are told apart by the first limit on a sum.
        population: the best networks so far, from which others descend.
        workers: children bred at once.
        reuse: chance of a child to get a stage from the archive.
        mutation: chance of a child to be mutated besides.
    """

    def __init__(
        self,
        problem: Problem,
        population: int = 100,
        workers: int = 50,
        reuse: float = 0.3,
        mutation: float = 0.5,
    ) -> None:
        self._problem, self._size, self._workers = problem, population, workers
        self._reuse, self._mutation = reuse, mutation
        self._seed = check(problem)
        self._elite: Population = np.zeros((0, 1 + len(problem.space.slots)), np.int16)
        self._scores: Floats = np.zeros(0)
        ends = list(accumulate(map(len, problem.space.stages), initial=1))
        self._stages = [slice(first, end) for first, end in pairwise(ends)]
        self._good: list[dict[tuple[int, int], tuple[float, list[int]]]] = [
            {} for _ in self._stages
        ]
        sums = [limit.cost for limit in problem.limits if isinstance(limit.cost, CostTensor)]
        self._cost = sums[0] if sums else None

    def ask(self, rng: np.random.Generator) -> Batch:
        """Draw a first population, then breed."""
        if not len(self._elite):
            return Batch(draw_within(self._problem, self._seed, self._size, rng))
        count, born = 2 * self._workers, [self._elite[:0]]
        for _ in range(_ROUNDS):
            children = self._crossed(count, rng)
            born.append(children[self._problem.meets(children)])
            if sum(map(len, born)) >= self._workers:
                break
        children = np.concatenate(born)[: self._workers]
        if not len(children):
            children = self._elite[rng.integers(len(self._elite), size=self._workers)]
        changed = rng.random(len(children)) < self._mutation
        children[changed] = bred_within(self._problem, children[changed], rng)
        return Batch(children)

    def tell(self, batch: Batch, scores: Floats) -> None:
        """Keep the best networks, each once, and the best filling of each kind of stage."""
        for place, stage in enumerate(self._stages):
            self._keep(place, batch.population, batch.population[:, stage], scores)
        everything = np.concatenate([self._elite, batch.population])
        together = np.concatenate([self._scores, scores])
        _, first = np.unique(everything, axis=0, return_index=True)
        best = first[np.argsort(-together[first], kind="stable")[: self._size]]
        self._elite, self._scores = everything[best], together[best]

    def _keep(self, place: int, whole: Population, fillings: Population, scores: Floats) -> None:
        good, kinds = self._good[place], self._kinds(place, whole[:, 0], fillings)
        sizes = self._problem.space.genes(whole)[:, 0].tolist()
        rows = zip(sizes, kinds, fillings.tolist(), scores.tolist(), strict=True)
        for resolution, kind, filling, score in rows:
            if score > good.get((resolution, kind), (-np.inf,))[0]:
                good[resolution, kind] = score, filling

    def _kinds(self, place: int, contexts: Population, fillings: Population) -> list[int]:
        """Sort fillings of a stage by what they cost, or by their depth where nothing is a sum."""
        if self._cost is None:
            return list(map(int, np.count_nonzero(fillings, axis=1)))
        stage = self._stages[place]
        costs = self._cost.choice[:, stage.start - 1 : stage.stop - 1]
        slots = np.arange(costs.shape[1])
        paid = costs[contexts[:, None], slots, fillings].sum(axis=1)
        most = np.where(np.isfinite(costs), costs, 0.0).max(axis=2).sum(axis=1)[contexts]
        shares = paid / np.maximum(most, np.finfo(float).tiny)
        return list(map(int, np.clip(shares * _RANGES, 0, _RANGES - 1)))

    def _crossed(self, count: int, rng: np.random.Generator) -> Population:
        space = self._problem.space
        axes = len(space.axis_counts)
        mothers, fathers = space.genes(self._elite)[rng.integers(len(self._elite), size=(2, count))]
        within = rng.random(mothers.shape) < 0.5
        whole = np.empty_like(within)
        whole[:, :axes] = rng.random((count, 1)) < 0.5
        for stage in self._stages:
            genes = slice(stage.start - 1 + axes, stage.stop - 1 + axes)
            whole[:, genes] = rng.random((count, 1)) < 0.5
        by_slot = rng.random((count, 1)) < 0.5
        crossed = np.where(np.where(by_slot, within, whole), mothers, fathers)
        children = space.networks(crossed).copy()
        for row in np.flatnonzero(rng.random(count) < self._reuse).tolist():
            place = int(rng.integers(len(self._stages)))
            fitting = [
                filling
                for (resolution, _), (_, filling) in self._good[place].items()
                if resolution == crossed[row, 0]
            ]
            if fitting:
                children[row, self._stages[place]] = fitting[int(rng.integers(len(fitting)))]
        return space.repair(children)
