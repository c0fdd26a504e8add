from __future__ import annotations

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from sartor.specializer.accuracy.predictor import AccuracyPredictor
from sartor.specializer.cost import compile_cost
from sartor.specializer.search.methods.hurdles import EFFORTS, Hurdles
from sartor.specializer.search.methods.method import (
    Batch,
    Counted,
    Method,
    Predicted,
    bred_within,
    draw_within,
    mutated,
    run,
)
from sartor.specializer.search.methods.named import METHODS, uniform_networks
from sartor.specializer.search.methods.regularised import RegularisedEvolution
from sartor.specializer.search.methods.soft_objective import EXPONENT, SoftObjective
from sartor.specializer.search.problem import Problem
from sartor.specializer.space import SearchSpace
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.tables.errors import InfeasibleBudgetError
from sartor.tables.kinds import multiply_adds

from .toy import every_network, latency, random_cost, random_predictor, spaces

MOBILE = MobileNetV3(classes=10, resolutions=(96, 128))
COST = compile_cost(MOBILE, multiply_adds)
seeds = st.integers(0, 2**32 - 1)


def mobile_problem(most: float = 3e7) -> Problem:
    predictor = random_predictor(MOBILE.space, np.random.default_rng(0), hidden=(8,))
    return Problem(MOBILE.space, predictor, (latency(COST, most),))


class Recording:
    """A method, and everything that it asked for."""

    def __init__(self, method: Method) -> None:
        self.method = method
        self.batches: list[Batch] = []
        self.spent = 0.0

    def ask(self, rng: np.random.Generator) -> Batch:
        self.batches.append(self.method.ask(rng))
        return self.batches[-1]

    def tell(self, batch: Batch, scores: np.typing.NDArray[np.float64]) -> None:
        self.spent += batch.effort * len(scores)
        self.method.tell(batch, scores)


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=5)
@given(spaces(), seeds, st.floats(0.1, 1))
def test_every_method_finds_the_best_of_a_small_space(
    name: str, space: SearchSpace, seed: int, share: float
) -> None:
    rng = np.random.default_rng(seed)
    cost, predictor = random_cost(space, rng), random_predictor(space, rng)
    networks = every_network(space)
    costs = cost.evaluate(networks)
    most = float(costs.min() + share * np.ptp(costs))
    problem = Problem(space, predictor, (latency(cost, most),))
    trace = run(METHODS[name](problem), problem, 1500, rng)
    best = predictor.predict(networks[costs <= most]).max()
    assert trace.scores[-1] >= best - 0.02  # 0.4 standard deviations; random search may miss it
    assert problem.meets(trace.networks).all()
    assert np.all(np.diff(trace.scores) > 0)
    assert np.all(np.diff(trace.evaluations) > 0)


@pytest.mark.parametrize("name", METHODS)
def test_methods_stay_in_the_space_and_in_their_evaluations(name: str) -> None:
    problem = mobile_problem()
    recording = Recording(METHODS[name](problem))
    trace = run(recording, problem, 700, np.random.default_rng(1))
    again = run(METHODS[name](problem), problem, 700, np.random.default_rng(1))
    assert trace.networks.tolist() == again.networks.tolist()
    for batch in recording.batches:
        for network in batch.population.tolist():
            MOBILE.space.check(network)
        if name != "soft-objective":
            assert problem.meets(batch.population).all()
    assert recording.spent == pytest.approx(700, abs=1)
    assert trace.at(0) is None
    if name != "soft-objective":  # which may never look within the limits
        assert trace.evaluations[-1] <= 700
        assert trace.at(700) == tuple(trace.networks[-1].tolist())


@pytest.mark.parametrize("name", ["regularised", "hierarchical", "hurdles"])
def test_evolution_beats_chance(name: str) -> None:
    problem = mobile_problem()
    ends = [
        run(METHODS[which](problem), problem, 3000, np.random.default_rng(2)).scores[-1]
        for which in ("random", name)
    ]
    assert ends[1] > ends[0] + 0.01


@pytest.mark.parametrize("name", METHODS)
def test_an_impossible_budget_is_refused_at_once(name: str) -> None:
    problem = mobile_problem(1.0)
    if name == "soft-objective":  # which knows targets, and no limits
        pytest.skip("no limit is kept")
    with pytest.raises(InfeasibleBudgetError):
        METHODS[name](problem)


def test_the_oldest_dies() -> None:
    problem = mobile_problem()
    method = RegularisedEvolution(problem, population=5, sample=5, workers=1)
    rng = np.random.default_rng(0)
    first = method.ask(rng)
    method.tell(first, np.array([9.0, 1.0, 1.0, 1.0, 1.0]))
    for _ in range(5):
        (child,) = (batch := method.ask(rng)).population
        differs = (child != first.population[0]).any()
        assert differs
        method.tell(batch, np.array([2.0]))
    # The best network of all is gone: its five children are alive.
    second = method.ask(rng)
    assert len(second.population) == 1
    (grandchild,) = second.population
    assert (first.population[0] != grandchild).sum() >= 1
    assert {fitness for _, fitness in method._alive} == {2.0}


def test_a_seeded_population_begins_with_what_is_known() -> None:
    problem = mobile_problem()
    known = uniform_networks(MOBILE.space)
    assert len(known) == 2 * 3 * 9
    first = RegularisedEvolution(problem, known=known).ask(np.random.default_rng(0))
    within = np.array(known, np.int16)[problem.meets(np.array(known, np.int16))]
    assert 0 < len(within) < len(known)
    assert first.population[: len(within)].tolist() == within.tolist()
    assert len(first.population) == 100


def test_the_soft_objective_is_that_of_mnasnet() -> None:
    problem = mobile_problem()
    method = SoftObjective(problem)
    (network,) = MOBILE.space.random(1, np.random.default_rng(0))
    ratio = float(COST.evaluate(network[None])[0]) / 3e7
    expected = 0.7 * ratio**EXPONENT
    assert method.fitness(tuple(network.tolist()), 0.7) == pytest.approx(expected)
    # Twice as slow for about 5 % more accuracy is as good.
    assert pytest.approx(1 / 1.05, abs=0.001) == 2.0**EXPONENT


def test_hurdles_spare_what_promises_little() -> None:
    problem = mobile_problem()
    recording = Recording(Hurdles(problem, children=200))
    run(recording, problem, 400, np.random.default_rng(0))
    counts = dict.fromkeys(EFFORTS, 0)
    for batch in recording.batches:
        counts[batch.effort] += len(batch.population)
    assert counts[EFFORTS[0]] > counts[EFFORTS[1]] > counts[EFFORTS[2]] > 0
    # The last of those that were worth a whole evaluation are better than those that were not.
    by_effort = {
        effort: np.concatenate(
            [batch.population for batch in recording.batches[-60:] if batch.effort == effort]
        )
        for effort in (EFFORTS[0], 1.0)
    }
    means = [problem.predictor.predict(by_effort[effort]).mean() for effort in (EFFORTS[0], 1.0)]
    assert means[1] > means[0]


def test_counted_answers_scatter_as_counts_do() -> None:
    predictor: AccuracyPredictor = mobile_problem().predictor
    population = np.repeat(MOBILE.space.random(1, np.random.default_rng(0)), 4000, axis=0)
    accuracy = float(Predicted(predictor).evaluate(Batch(population[:1]), _rng())[0])
    whole = Counted(predictor, 400).evaluate(Batch(population), _rng())
    part = Counted(predictor, 400).evaluate(Batch(population, 1 / 4), _rng())
    for counted, images in ((whole, 400), (part, 100)):
        assert counted.mean() == pytest.approx(accuracy, abs=0.005)
        assert counted.std() == pytest.approx(
            math.sqrt(accuracy * (1 - accuracy) / images), rel=0.1
        )


def _rng() -> np.random.Generator:
    return np.random.default_rng(5)


@given(spaces(), seeds)
def test_mutants_differ_in_one_place_and_stay_in_the_space(space: SearchSpace, seed: int) -> None:
    rng = np.random.default_rng(seed)
    parents = space.random(50, rng)
    for parent, child in zip(parents, mutated(space, parents, rng), strict=True):
        space.check(child.tolist())
        changed = np.flatnonzero(parent != child)
        assert not len(changed) or (child[changed[1:]] == 0).all()


@given(spaces(), seeds)
def test_draws_and_children_are_within_the_limits(space: SearchSpace, seed: int) -> None:
    rng = np.random.default_rng(seed)
    cost = random_cost(space, rng)
    costs = cost.evaluate(every_network(space))
    most = float(np.quantile(costs, 0.1))
    problem = Problem(space, random_predictor(space, rng), (latency(cost, most),))
    seed_network = tuple(every_network(space)[int(costs.argmin())].tolist())
    drawn = draw_within(problem, seed_network, 30, rng)
    assert len(drawn) == 30
    assert problem.meets(drawn).all()
    assert problem.meets(bred_within(problem, drawn, rng)).all()
