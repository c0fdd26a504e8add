"""The search against the whole truth: a space of a million networks, every one of them scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sartor.benchmarks.note10 import SUPERNET, Note10
from sartor.specializer.accuracy.features import feature_starts
from sartor.specializer.accuracy.predictor import Layer, MlpPredictor
from sartor.specializer.accuracy.ridge import train_ridge
from sartor.specializer.cost import CostTensor, compile_cost
from sartor.specializer.search.evolution import search
from sartor.specializer.search.front import pareto_front
from sartor.specializer.search.problem import Problem
from sartor.specializer.space import ABSENT, Population, SearchSpace, required_slots
from sartor.tables.kinds import multiply_adds

from .toy import latency, random_predictor

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cut:
    """What is left of a space where every slot keeps a few of its choices.

    Attributes:
        whole: the space.
        kept: choices of each slot of the whole one, ascending; none where the slot is left out.
    """

    whole: SearchSpace
    kept: tuple[tuple[int, ...], ...]

    @property
    def slots(self) -> list[int]:
        return [slot for slot, choices in enumerate(self.kept) if choices]

    @property
    def space(self) -> SearchSpace:
        stages, taken = [], iter(self.kept)
        for stage in self.whole.stages:
            kept = [
                replace(slot, choices=tuple(slot.choices[choice - 1] for choice in choices))
                for slot in stage
                if (choices := next(taken))
            ]
            stages.append(tuple(kept))
        return SearchSpace("cut", self.whole.contexts, tuple(stages))

    def cost(self, cost: CostTensor) -> CostTensor:
        most = max(map(len, self.kept))
        choice = np.full((len(self.whole.contexts), len(self.slots), most + 1), np.inf)
        for place, slot in enumerate(self.slots):
            kept = self.kept[slot]
            choice[:, place, ABSENT] = cost.choice[:, slot, ABSENT]
            choice[:, place, 1 : len(kept) + 1] = cost.choice[:, slot, kept]
        return CostTensor(cost.fixed, choice)

    def predictor(self, predictor: MlpPredictor) -> MlpPredictor:
        starts = feature_starts(self.whole)
        rows = [*range(len(self.whole.contexts))]
        rows += [starts[slot] + choice - 1 for slot in self.slots for choice in self.kept[slot]]
        first, *others = predictor.layers
        layers = (Layer(first.weight[rows], first.bias), *others)
        return MlpPredictor(self.space, layers, predictor.mean, predictor.deviation)


# Of each stage two blocks and perhaps a third one; of each block a small and a large form.
SMALL_AND_LARGE = tuple(
    ((1, 5, 9) if slot == 0 else (1, 8) if slot % 2 else (2, 9)) if slot % 4 < 3 else ()
    for slot in range(20)
)
CUT = Cut(SUPERNET.space, SMALL_AND_LARGE)


@cache
def every_network(space: SearchSpace) -> Population:
    """List a space, stage by stage."""
    stages = [np.arange(len(space.contexts), dtype=np.int16)[:, None]]
    for stage in space.stages:
        counts = [range(1, len(slot.choices) + 1) for slot in stage]
        fillings = [
            [*filled, *[ABSENT] * (len(stage) - depth)]
            for depth in range(required_slots(stage), len(stage) + 1)
            for filled in product(*counts[:depth])
        ]
        stages.append(np.array(fillings, np.int16))
    places = np.unravel_index(np.arange(space.size), [len(stage) for stage in stages])
    return np.concatenate(
        [stage[place] for stage, place in zip(stages, places, strict=True)], axis=1
    )


def scores(predictor: MlpPredictor, population: Population) -> Floats:
    parts = np.array_split(population, len(population) // 20_000 + 1)
    return np.concatenate([predictor.predict(part) for part in parts]).astype(np.float64)


def check_search(
    predictor: MlpPredictor, cost: CostTensor, shares: Sequence[float], seeds: Sequence[int]
) -> None:
    space = predictor.space
    networks = every_network(space)
    assert len(networks) == space.size > 1e6
    costs, accuracies = cost.evaluate(networks), scores(predictor, networks)
    budgets = [float(np.quantile(costs, share)) for share in shares]
    truth = [float(accuracies[costs <= budget].max()) for budget in budgets]
    for budget, best in zip(budgets, truth, strict=True):
        for seed in seeds:
            problem = Problem(space, predictor, (latency(cost, budget),))
            result = search(problem, np.random.default_rng(seed))
            assert result.accuracy == pytest.approx(best, abs=1e-6), (budget, seed)
            assert result.costs[0] <= budget
            if len(predictor.layers) == 1:
                assert result.accuracy_bound == result.accuracy
    problem = Problem(space, predictor, (latency(cost, np.inf),))
    front = pareto_front(problem, np.random.default_rng(0), budgets=budgets)
    for budget, best in zip(budgets, truth, strict=True):
        found = max(each.accuracy for each in front if each.costs[0] <= budget)
        assert found == pytest.approx(best, abs=1e-6), budget


@cache
def size() -> CostTensor:
    return CUT.cost(compile_cost(SUPERNET, multiply_adds))


def test_the_optimum_is_found_with_hidden_layers() -> None:
    predictor = random_predictor(CUT.space, np.random.default_rng(3), hidden=(24, 24))
    check_search(predictor, size(), (0.001, 0.05, 0.3, 0.9), range(3))


def test_the_optimum_is_proven_with_a_ridge() -> None:
    space, rng = CUT.space, np.random.default_rng(4)
    population = np.unique(space.random(400, rng), axis=0)
    truth = random_predictor(space, rng, hidden=(24,)).predict(population).astype(np.float64)
    ridge = train_ridge(space, population, truth, np.arange(len(population)) % 5)
    check_search(ridge, size(), np.geomspace(1e-5, 1, 12).tolist(), range(2))


@pytest.mark.data
@pytest.mark.slow
def test_the_optimum_is_found_with_the_official_predictor(data_folder: Path) -> None:
    note10 = Note10.load(data_folder)
    predictor, cost = CUT.predictor(note10.predictor), CUT.cost(note10.cost)
    check_search(predictor, cost, (1e-5, 0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9), range(5))
