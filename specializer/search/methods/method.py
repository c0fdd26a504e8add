"""The interface of search methods, and running one for a fixed number of evaluations.

A method is asked for networks and told what they scored. It knows the limits, which cost nothing
to look at, but no accuracy besides what it is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...accuracy.predictor import AccuracyPredictor
from ...space import Population, SearchSpace, SubNetwork
from ..problem import Problem

Floats = NDArray[np.float64]

_ROUNDS = 20


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Networks to be evaluated.

    Attributes:
        population: (n, 1 + slots).
        effort: how much of a whole evaluation each one is to get, above 0 and at most 1.
    """

    population: Population
    effort: float = 1.0


class Method(Protocol):
    """A way to search, with whatever it remembers."""

    def ask(self, rng: np.random.Generator) -> Batch:
        """Name the networks to be evaluated next; at least one."""
        ...

    def tell(self, batch: Batch, scores: Floats) -> None:
        """Take note of their accuracies, in the same order: (n,)."""
        ...


class Evaluator(Protocol):
    """Whatever tells the accuracy of networks, the better the more effort it takes."""

    def evaluate(self, batch: Batch, rng: np.random.Generator) -> Floats:
        """Return each network's accuracy as a fraction: (n,)."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Predicted:
    """Evaluations by a predictor, which is as right with little effort as with much.

    Attributes:
        predictor: of accuracy.
    """

    predictor: AccuracyPredictor

    def evaluate(self, batch: Batch, rng: np.random.Generator) -> Floats:
        """Predict; no chance is involved."""
        del rng
        return self.predictor.predict(batch.population).astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """Evaluations by counting right answers: the more images, the less is left to chance.

    Attributes:
        predictor: tells how often a network is right in the long run.
        images: of a whole evaluation.
    """

    predictor: AccuracyPredictor
    images: int

    def evaluate(self, batch: Batch, rng: np.random.Generator) -> Floats:
        """Draw the number of right answers to as many images as the effort allows."""
        images = max(1, round(batch.effort * self.images))
        right = self.predictor.predict(batch.population).astype(np.float64).clip(0, 1)
        return rng.binomial(images, right) / images


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """How a search went: each network within the limits that scored higher than those before it.

    Attributes:
        networks: the last one is the result: (n, 1 + slots).
        scores: of each: (n,).
        evaluations: spent when it was found, in whole evaluations: (n,).
    """

    networks: Population
    scores: Floats
    evaluations: Floats

    def at(self, evaluations: float) -> SubNetwork | None:
        """Return the best network when that much was spent; None before the first."""
        found = int(np.searchsorted(self.evaluations, evaluations, side="right"))
        return tuple(self.networks[found - 1].tolist()) if found else None


def run(
    method: Method,
    problem: Problem,
    evaluations: int,
    rng: np.random.Generator,
    evaluator: Evaluator | None = None,
) -> Trace:
    """Let a method search until its evaluations are spent.

    Args:
        method: fresh; what it asks for beyond the end of its evaluations it is never told.
        problem: whose limits the result meets.
        evaluations: whole ones; an evaluation with half the effort counts half.
        rng: of the method and of the evaluations.
        evaluator: the problem's predictor when left out.
    """
    judge = evaluator or Predicted(problem.predictor)
    spent, highest = 0.0, -np.inf
    networks: list[list[int]] = []
    steps: list[tuple[float, float]] = []
    while spent < evaluations:
        batch = method.ask(rng)
        room = max(1, int((evaluations - spent) / batch.effort))
        batch = Batch(batch.population[:room], batch.effort)
        scores = judge.evaluate(batch, rng)
        method.tell(batch, scores)
        if batch.effort == 1:  # what less effort shows is a hint to the method, and no result
            within = problem.meets(batch.population)
            for place in np.flatnonzero(within & (scores > highest)).tolist():
                if scores[place] > highest:
                    highest = float(scores[place])
                    networks.append(batch.population[place].tolist())
                    steps.append((highest, spent + place + 1))
        spent += batch.effort * len(scores)
    found = np.array(networks, np.int16).reshape(-1, 1 + len(problem.space.slots))
    taken = np.array(steps).reshape(-1, 2)
    return Trace(found, taken[:, 0], taken[:, 1])


def draw_within(
    problem: Problem, seed: SubNetwork, count: int, rng: np.random.Generator
) -> Population:
    """Draw networks that meet the limits; at a tight budget between random ones and a known one.

    Args:
        problem: whose limits are met.
        seed: meets them.
        count: wanted; exactly as many come back.
        rng: of the draws.
    """
    space, known = problem.space, np.array([seed], np.int16)
    found = [known[:0]]
    for round_ in range(_ROUNDS):
        genes = space.genes(space.random(2 * count, rng))
        kept = rng.random(genes.shape) < round_ / (_ROUNDS - 1)
        drawn = space.repair(space.networks(np.where(kept, space.genes(known), genes)))
        found.append(drawn[problem.meets(drawn)])
        if sum(map(len, found)) >= count:
            break
    return np.concatenate(found)[:count]


def mutated(space: SearchSpace, parents: Population, rng: np.random.Generator) -> Population:
    """Change one gene of each network to another value, all genes alike likely."""
    genes = space.genes(parents).copy()
    lowest, highest = space.gene_bounds
    rows, places = np.arange(len(genes)), rng.integers(genes.shape[1], size=len(genes))
    genes[rows, places] = rng.integers(highest[places].astype(np.intp) + 1)
    allowed: Population = np.maximum(genes, lowest)
    return space.repair(space.networks(allowed))


def bred_within(
    problem: Problem,
    parents: Population,
    rng: np.random.Generator,
) -> Population:
    """Mutate each network until it is another that meets the limits; itself after many tries."""
    children: Population = parents.copy()
    open_ = np.arange(len(parents))
    for _ in range(_ROUNDS):
        born = mutated(problem.space, parents[open_], rng)
        good = problem.meets(born) & (born != parents[open_]).any(axis=1)
        children[open_[good]] = born[good]
        open_ = open_[~good]
        if not len(open_):
            break
    return children
