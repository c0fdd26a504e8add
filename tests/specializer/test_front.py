from __future__ import annotations

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from sartor.specializer.search.front import pareto_front
from sartor.specializer.search.problem import Problem
from sartor.specializer.space import SearchSpace

from .toy import every_network, latency, random_cost, random_predictor, spaces


@settings(max_examples=10)
@given(spaces(), st.integers(0, 2**32 - 1))
def test_the_front_holds_the_best_network_of_every_budget(space: SearchSpace, seed: int) -> None:
    rng = np.random.default_rng(seed)
    cost, predictor = random_cost(space, rng), random_predictor(space, rng, hidden=(4,))
    networks = every_network(space)
    costs, accuracies = cost.evaluate(networks), predictor.predict(networks)
    problem = Problem(space, predictor, (latency(cost, math.inf),))
    points = pareto_front(problem, rng, points=5)
    front = np.array([(point.costs[0], point.accuracy) for point in points])
    assert len(front) <= 5
    assert np.all(np.diff(front, axis=0) > 0)
    largest_ms = cost.evaluate(np.array([space.largest], np.int16))[0]
    for budget_ms in np.geomspace(costs.min(), largest_ms, 5).clip(costs.min(), largest_ms):
        best = front[front[:, 0] <= budget_ms, 1].max()
        assert best == pytest.approx(accuracies[costs <= budget_ms].max(), abs=1e-6)
