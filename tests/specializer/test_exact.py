from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from sartor.specializer.cost import compile_cost
from sartor.specializer.search import exact
from sartor.specializer.search.exact import solve
from sartor.specializer.search.problem import Problem
from sartor.specializer.search.worth import additive_worth
from sartor.specializer.space import SearchSpace
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.tables.kinds import multiply_adds

from .toy import every_network, latency, random_cost, random_predictor, spaces

seeds = st.integers(0, 2**32 - 1)


@given(spaces(), seeds, st.lists(st.floats(0, 1), min_size=1, max_size=3))
def test_the_optimum_is_that_of_brute_force(
    space: SearchSpace, seed: int, shares: list[float]
) -> None:
    rng = np.random.default_rng(seed)
    predictor, networks = random_predictor(space, rng), every_network(space)
    limits = []
    for share in shares:
        cost = random_cost(space, rng)
        costs = cost.evaluate(networks)
        limits.append(latency(cost, float(costs.min() + share * np.ptp(costs))))
    problem = Problem(space, predictor, tuple(limits))
    worth = additive_worth(space, predictor)
    assert worth is not None
    found = solve(space, limits, worth)
    within = networks[problem.meets(networks)]
    assert found.bound == found.worth
    if len(within):
        assert found.worth == pytest.approx(predictor.predict(within).max(), abs=1e-6)
        assert problem.meets(np.array([found.subnetwork], np.int16)).all()
    else:
        assert found.subnetwork is None
        assert found.worth == -np.inf


def test_what_is_dropped_loosens_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    supernet = MobileNetV3(classes=10, resolutions=(96, 128))
    space, rng = supernet.space, np.random.default_rng(0)
    predictor, cost = random_predictor(space, rng), compile_cost(supernet, multiply_adds)
    other = random_cost(space, rng)
    some = space.random(1000, rng)
    limits = [latency(each, float(np.median(each.evaluate(some)))) for each in (cost, other)]
    worth = additive_worth(space, predictor)
    assert worth is not None
    exactly = solve(space, limits, worth)
    assert exactly.bound == exactly.worth
    monkeypatch.setattr(exact, "_LABELS", 2)
    roughly = solve(space, limits, worth)
    assert roughly.worth <= exactly.worth < roughly.bound
    known = solve(space, limits, worth, exactly.subnetwork)
    assert known.subnetwork == exactly.subnetwork


def test_hidden_layers_are_no_sum() -> None:
    space = MobileNetV3(classes=10, resolutions=(96,)).space
    rng = np.random.default_rng(0)
    assert additive_worth(space, random_predictor(space, rng, hidden=(4,))) is None
