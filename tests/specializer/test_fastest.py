from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from sartor.specializer.cost import CostTensor, compile_cost
from sartor.specializer.search.fastest import fastest
from sartor.specializer.search.feasible import check
from sartor.specializer.search.problem import Problem
from sartor.specializer.space import SearchSpace
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.tables.errors import BudgetError, InfeasibleBudgetError
from sartor.tables.kinds import multiply_adds

from .toy import every_network, latency, random_cost, random_predictor, spaces

seeds = st.integers(0, 2**32 - 1)


def problem(space: SearchSpace, cost: CostTensor, budget_ms: float) -> Problem:
    predictor = random_predictor(space, np.random.default_rng(0))
    return Problem(space, predictor, (latency(cost, budget_ms),))


@given(spaces(), seeds)
def test_fastest_is_the_minimum_over_all_networks(space: SearchSpace, seed: int) -> None:
    cost = random_cost(space, np.random.default_rng(seed))
    found = fastest(space, cost)
    space.check(found)
    costs = cost.evaluate(every_network(space))
    assert cost.evaluate(np.array([found], np.int16))[0] == costs.min()


@given(spaces(), seeds)
def test_budgets_from_the_fastest_on_are_met(space: SearchSpace, seed: int) -> None:
    cost = random_cost(space, np.random.default_rng(seed))
    found = fastest(space, cost)
    fastest_ms = float(cost.evaluate(np.array([found], np.int16))[0])
    assert check(problem(space, cost, fastest_ms)) == found
    with pytest.raises(InfeasibleBudgetError) as caught:
        check(problem(space, cost, np.nextafter(fastest_ms, 0)))
    assert (caught.value.network, caught.value.least) == (space.text(found), fastest_ms)


def test_an_infeasible_budget_says_what_is_feasible() -> None:
    supernet = MobileNetV3(classes=10, resolutions=(32, 64))
    cost = compile_cost(supernet, lambda operator: 0.001 + multiply_adds(operator) / 1e7)
    with pytest.raises(InfeasibleBudgetError) as caught:
        check(problem(supernet.space, cost, 0.1))
    smallest = supernet.space.text(supernet.space.smallest)
    assert caught.value.network == smallest
    enough_ms = float(str(caught.value).split("needs ")[1].split(" ms")[0])
    assert f"meets 0.1 ms: the fastest, {smallest}, needs" in str(caught.value)
    assert check(problem(supernet.space, cost, enough_ms)) == supernet.space.smallest


@pytest.mark.parametrize("budget_ms", [0.0, -1.0, float("nan"), float("inf"), -float("inf")])
def test_a_budget_is_a_positive_number(budget_ms: float) -> None:
    supernet = MobileNetV3(classes=10, resolutions=(32,))
    cost = compile_cost(supernet, multiply_adds)
    with pytest.raises(BudgetError, match="positive number of milliseconds"):
        check(problem(supernet.space, cost, budget_ms))
