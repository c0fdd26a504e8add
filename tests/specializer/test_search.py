from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from sartor.specializer.accuracy.predictor import AccuracyPredictor, Layer, MlpPredictor
from sartor.specializer.cost import CostTensor, compile_cost
from sartor.specializer.search.archive import Archive
from sartor.specializer.search.evolution import SearchSettings, _best_apart, search
from sartor.specializer.search.fastest import fastest
from sartor.specializer.search.polish import polish
from sartor.specializer.search.problem import Problem
from sartor.specializer.space import Population, SearchSpace
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.tables.errors import BudgetError, FormatError, InfeasibleBudgetError
from sartor.tables.kinds import multiply_adds

from .toy import every_network, latency, random_cost, random_predictor, space_of, spaces

MOBILE = MobileNetV3(classes=10, resolutions=(96, 128, 160))
BRIEF = SearchSettings(drawn=100, climbers=10, children=40)
seeds = st.integers(0, 2**32 - 1)


class Counting:
    """A predictor that writes down which networks it was asked about."""

    def __init__(self, predictor: AccuracyPredictor) -> None:
        self.predictor = predictor
        self.asked: list[tuple[int, ...]] = []

    def predict(self, population: Population) -> NDArray[np.float32]:
        self.asked += map(tuple, population.tolist())
        return self.predictor.predict(population)


@given(seeds, st.sampled_from([0.0, 0.25, 0.5]))
def test_a_population_has_the_best_of_every_family(seed: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    population = np.unique(rng.integers(0, 3, (60, 8)).astype(np.int16), axis=0)
    scores = rng.random(len(population))
    settings = SearchSettings(spread=spread)
    kept = _best_apart(population, scores, settings)
    score_of = dict(zip(map(tuple, population.tolist()), scores, strict=True))
    apart = (kept[:, None] != kept[None]).sum(axis=2)[np.triu_indices(len(kept), 1)]
    assert (apart > spread * 8).all()
    kept_scores = [score_of[tuple(network)] for network in kept.tolist()]
    assert kept_scores == sorted(kept_scores, reverse=True)
    if len(kept) < settings.population:
        for network in population:  # whoever is not kept is like one that is better
            like = (kept != network).sum(axis=1) <= spread * 8
            assert max(np.array(kept_scores)[like]) >= score_of[tuple(network.tolist())]


@settings(max_examples=40)
@given(spaces(), seeds, st.floats(0, 1))
def test_the_optimum_of_a_small_space_is_found(space: SearchSpace, seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    cost, predictor = random_cost(space, rng), random_predictor(space, rng, hidden=(6,))
    networks = every_network(space)
    costs, accuracies = cost.evaluate(networks), predictor.predict(networks)
    budget_ms = float(costs.min() + share * np.ptp(costs))
    result = search(Problem(space, predictor, (latency(cost, budget_ms),)), rng, BRIEF)
    assert result.accuracy == pytest.approx(accuracies[costs <= budget_ms].max(), abs=1e-6)
    assert result.costs[0] <= budget_ms
    assert result.evaluations <= space.size


@settings(max_examples=40)
@given(spaces(), seeds)
def test_the_tightest_budget_leaves_the_fastest(space: SearchSpace, seed: int) -> None:
    rng = np.random.default_rng(seed)
    cost = random_cost(space, rng)
    tightest_ms = float(cost.evaluate(every_network(space)).min())
    problem = Problem(space, random_predictor(space, rng), (latency(cost, tightest_ms),))
    result = search(problem, rng, BRIEF)
    assert result.subnetwork == fastest(space, cost)
    assert result.costs == (tightest_ms,)


@pytest.fixture(scope="module")
def predictor() -> AccuracyPredictor:
    return random_predictor(MOBILE.space, np.random.default_rng(0))


@pytest.mark.parametrize("share", [0.02, 0.2, 0.6, 1.0])
def test_different_seeds_agree_on_a_real_space(predictor: AccuracyPredictor, share: float) -> None:
    space = MOBILE.space
    cost = compile_cost(MOBILE, lambda operator: 0.001 + multiply_adds(operator) / 1e7)
    low_ms, high_ms = cost.evaluate(np.array([space.smallest, space.largest], np.int16))
    budget_ms = low_ms + share * (high_ms - low_ms)
    results = [
        search(Problem(space, predictor, (latency(cost, budget_ms),)), np.random.default_rng(seed))
        for seed in range(3)
    ]
    for result in results:
        population = np.array([result.subnetwork], np.int16)
        space.check(result.subnetwork)
        assert result.costs[0] == cost.evaluate(population)[0] <= budget_ms
        assert result.accuracy == pytest.approx(predictor.predict(population)[0], abs=1e-6)
    accuracies = [result.accuracy for result in results]
    assert max(accuracies) - min(accuracies) < 1e-3


def test_the_same_randomness_gives_the_same_network(predictor: AccuracyPredictor) -> None:
    cost = compile_cost(MOBILE, multiply_adds)
    one, other = (
        search(
            Problem(MOBILE.space, predictor, (latency(cost, 1e8),)), np.random.default_rng(7), BRIEF
        )
        for _ in range(2)
    )
    assert (one.subnetwork, one.evaluations) == (other.subnetwork, other.evaluations)


def test_no_network_is_predicted_twice(predictor: AccuracyPredictor) -> None:
    counting = Counting(predictor)
    cost = compile_cost(MOBILE, multiply_adds)
    rng = np.random.default_rng(7)
    result = search(Problem(MOBILE.space, counting, (latency(cost, 1e8),)), rng, BRIEF)
    assert len(set(counting.asked)) == len(counting.asked) == result.evaluations
    for network in counting.asked:
        MOBILE.space.check(network)


def test_an_impossible_budget_asks_for_no_prediction(predictor: AccuracyPredictor) -> None:
    counting = Counting(predictor)
    cost = compile_cost(MOBILE, multiply_adds)
    rng = np.random.default_rng(0)
    with pytest.raises(InfeasibleBudgetError) as caught:
        search(Problem(MOBILE.space, counting, (latency(cost, 1.0),)), rng)
    assert caught.value.network == MOBILE.space.text(MOBILE.space.smallest)
    with pytest.raises(BudgetError):
        search(Problem(MOBILE.space, counting, (latency(cost, float("nan")),)), rng)
    assert counting.asked == []


@settings(max_examples=20)
@given(seeds)
def test_polishing_never_loses(predictor: AccuracyPredictor, seed: int) -> None:
    rng = np.random.default_rng(seed)
    cost = random_cost(MOBILE.space, rng)
    (start,) = MOBILE.space.random(1, rng)
    budget_ms = float(cost.evaluate(start[None])[0])
    archive = Archive(predictor)
    problem = Problem(MOBILE.space, predictor, (latency(cost, budget_ms),))
    polished = np.array([polish(problem, archive, tuple(start.tolist()))], np.int16)
    assert cost.evaluate(polished)[0] <= budget_ms
    assert archive.score(polished)[0] >= archive.score(start[None])[0]


def test_polishing_exchanges_one_choice_for_another() -> None:
    space = space_of(1, ((2, 2), 2))
    cost = CostTensor(np.array([1.0]), np.array([[[np.inf, 1, 2], [np.inf, 1, 2]]]))
    weight = np.array([[0], [0], [0.1], [0], [0.2]], np.float32)
    predictor = MlpPredictor(space, (Layer(weight, np.zeros(1, np.float32)),))
    problem = Problem(space, predictor, (latency(cost, 4.0),))
    assert polish(problem, Archive(predictor), (0, 2, 1)) == (0, 1, 2)


@pytest.mark.parametrize(
    "wrong", [{"population": 0}, {"children": -1}, {"finalists": 0}, {"mutation": 0.0}]
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(FormatError, match="at least 1"):
        SearchSettings(**wrong)  # type: ignore[arg-type]
