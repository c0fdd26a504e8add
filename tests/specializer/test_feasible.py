from __future__ import annotations

from dataclasses import dataclass

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray

from sartor.specializer.cost import CostTensor
from sartor.specializer.search.evolution import SearchSettings, search
from sartor.specializer.search.feasible import check, least
from sartor.specializer.search.problem import Limit, Problem
from sartor.specializer.space import Population, SearchSpace
from sartor.tables.errors import BudgetError, ContradictionError, InfeasibleBudgetError

from .toy import every_network, latency, random_cost, random_predictor, space_of, spaces

Floats = NDArray[np.float64]
seeds = st.integers(0, 2**32 - 1)
shares = st.floats(0, 1)
BRIEF = SearchSettings(drawn=50, climbers=10, children=20)


@dataclass(frozen=True)
class Peak:
    """The highest of what the slots cost."""

    sums: CostTensor

    def evaluate(self, population: Population) -> Floats:
        contexts, choices = population[:, 0], population[:, 1:]
        slots = np.arange(choices.shape[1])
        parts = self.sums.choice[contexts[:, None], slots, choices]
        highest: Floats = np.maximum(parts.max(axis=1), self.sums.fixed[contexts])
        return highest

    def allowed(self, most: float) -> NDArray[np.bool_]:
        within: NDArray[np.bool_] = self.sums.choice <= most
        return within & (self.sums.fixed <= most)[:, None, None]


@dataclass(frozen=True)
class Opaque:
    """A cost of which nothing is known but its values."""

    sums: CostTensor

    def evaluate(self, population: Population) -> Floats:
        return np.sqrt(np.maximum(self.sums.evaluate(population), 0.0))


def random_peak(space: SearchSpace, rng: np.random.Generator) -> Peak:
    cost = random_cost(space, rng)
    return Peak(CostTensor(cost.fixed - 3, np.abs(cost.choice)))


def of_quantile(cost: Peak | CostTensor | Opaque, networks: Population, share: float) -> float:
    costs = cost.evaluate(networks)
    return float(costs.min() + share * np.ptp(costs)) + 1e-3


@given(spaces(), seeds, st.lists(st.tuples(st.sampled_from("sp"), shares), min_size=2, max_size=3))
def test_limits_are_met_together_or_their_contradiction_is_proven(
    space: SearchSpace, seed: int, kinds: list[tuple[str, float]]
) -> None:
    rng, networks = np.random.default_rng(seed), every_network(space)
    limits: list[Limit] = []
    for kind, share in kinds:
        cost = random_cost(space, rng) if kind == "s" else random_peak(space, rng)
        limits.append(
            Limit(f"cost {len(limits)}", "units", cost, of_quantile(cost, networks, share))
        )
    problem = Problem(space, random_predictor(space, rng), tuple(limits))
    if problem.meets(networks).any():
        assert problem.meets(np.array([check(problem)], np.int16)).all()
        result = search(problem, rng, BRIEF)
        best = problem.predictor.predict(networks[problem.meets(networks)]).max()
        assert result.accuracy == pytest.approx(best, abs=1e-6)
        assert result.accuracy_bound == pytest.approx(best, abs=1e-6)
    else:
        with pytest.raises(ContradictionError) as caught:
            check(problem)
        assert caught.value.proven
        named = [limit for limit in limits if limit.text in caught.value.limits]
        assert not Problem(space, problem.predictor, tuple(named)).meets(networks).any()


@given(spaces(), seeds, st.floats(0.5, 1))
def test_a_cost_of_any_kind_can_be_limited(space: SearchSpace, seed: int, share: float) -> None:
    rng, networks = np.random.default_rng(seed), every_network(space)
    opaque, peak = Opaque(random_cost(space, rng)), random_peak(space, rng)
    limits = (
        Limit("size", "bytes", opaque, of_quantile(opaque, networks, share)),
        Limit("memory", "bytes", peak, of_quantile(peak, networks, 1)),
    )
    problem = Problem(space, random_predictor(space, rng), limits)
    result = search(problem, rng, BRIEF)
    within = problem.meets(networks)
    assert problem.meets(np.array([result.subnetwork], np.int16)).all()
    best = problem.predictor.predict(networks[within]).max()
    assert result.accuracy <= best + 1e-6
    # What is known of sums and peaks alone bounds what meets the other limit, too.
    assert result.accuracy_bound is not None
    assert result.accuracy_bound >= best - 1e-6


@given(spaces(), seeds)
def test_the_lowest_peak_is_found(space: SearchSpace, seed: int) -> None:
    peak = random_peak(space, np.random.default_rng(seed))
    network = least(space, peak)
    space.check(network)
    lowest = peak.evaluate(every_network(space)).min()
    assert peak.evaluate(np.array([network], np.int16))[0] == pytest.approx(lowest, rel=1e-6)


def two_against_each_other() -> Problem:
    """One choice costs latency, the other memory."""
    space = space_of(1, ((2,), 1))
    fast = CostTensor(np.array([1.0]), np.array([[[np.inf, 1.0, 9.0]]]))
    small = CostTensor(np.array([100.0]), np.array([[[np.inf, 900.0, 100.0]]]))
    limits = (latency(fast, 5.0), Limit("parameters", "", small, 500.0))
    return Problem(space, random_predictor(space, np.random.default_rng(0)), limits)


def test_a_contradiction_says_what_would_resolve_it() -> None:
    problem = two_against_each_other()
    with pytest.raises(ContradictionError) as caught:
        check(problem)
    assert str(caught.value) == (
        "no network of toy has latency of at most 5 ms and parameters of at most 500, though each "
        "can be met; with parameters of at most 500, allow latency of 10.0000 ms"
    )
    assert caught.value.proven


def test_a_limit_that_nothing_meets_names_the_network_of_least_cost() -> None:
    problem = two_against_each_other()
    one = Problem(problem.space, problem.predictor, (problem.limits[1].within(150.0),))
    with pytest.raises(InfeasibleBudgetError) as caught:
        check(one)
    assert str(caught.value) == (
        "no network of toy meets 150 of parameters: that of least parameters, c0:b, needs 200.000; "
        "ask for that or more"
    )
    assert (caught.value.network, caught.value.least) == ("c0:b", 200.0)


@pytest.mark.parametrize("most", [0.0, -1.0, float("nan"), float("inf")])
def test_a_limit_is_a_positive_number(most: float) -> None:
    problem = two_against_each_other()
    one = Problem(problem.space, problem.predictor, (problem.limits[1].within(most),))
    with pytest.raises(BudgetError, match="a limit of parameters is a positive number, not"):
        check(one)
