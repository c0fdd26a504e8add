from __future__ import annotations

import math
from itertools import product

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given, settings
from numpy.typing import NDArray

from sartor.specializer.search.nsga2 import (
    NsgaSettings,
    crowding_distance,
    fronts,
    hypervolume,
    trade_offs,
    undominated,
)
from sartor.specializer.search.problem import Problem
from sartor.specializer.space import SearchSpace
from sartor.tables.errors import FormatError, InfeasibleBudgetError

from .toy import every_network, latency, random_cost, random_predictor, space_of, spaces

seeds = st.integers(0, 2**32 - 1)
BRIEF = NsgaSettings(population=100, generations=15)


def dominated(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    return bool((other <= one).all() and (other < one).any())


@given(seeds, st.integers(1, 3), st.integers(0, 1500))
def test_what_no_other_dominates_is_found(seed: int, columns: int, count: int) -> None:
    rows = np.random.default_rng(seed).integers(0, 40, (count, columns)).astype(float)
    kept = undominated(rows)
    kept_rows = rows[kept]
    assert len(np.unique(kept_rows, axis=0)) == len(kept)
    for row in rows[:50]:
        beaten = any(dominated(row, other) for other in kept_rows)
        assert beaten != (row == kept_rows).all(axis=1).any()


@given(seeds)
def test_fronts_are_peeled_off_one_after_another(seed: int) -> None:
    rows = np.random.default_rng(seed).integers(0, 8, (40, 2)).astype(float)
    rank = fronts(rows)
    for level in range(int(rank.max()) + 1):
        rest = rows[rank >= level]
        for row, its in zip(rows[rank >= level], rank[rank >= level], strict=True):
            assert (its > level) == any(dominated(row, other) for other in rest)


def test_crowding_is_the_way_between_neighbours() -> None:
    rows = np.array([[0.0, 4.0], [1.0, 2.0], [4.0, 0.0], [9.0, 9.0]])
    distance = crowding_distance(rows, np.array([0, 0, 0, 1]))
    assert distance.tolist() == [math.inf, 2.0, math.inf, math.inf]


@given(seeds, st.integers(2, 3))
@example(183, 3)  # no point is below the reference
def test_hypervolume_is_what_counting_cells_gives(seed: int, columns: int) -> None:
    rows = np.random.default_rng(seed).integers(0, 7, (5, columns)).astype(float)
    cells = np.array(list(product(range(6), repeat=columns)), float)
    covered = (rows[:, None] <= cells[None]).all(axis=2).any(axis=0).sum()
    assert hypervolume(rows, np.full(columns, 6.0)) == pytest.approx(covered)


@settings(max_examples=15)
@given(spaces(), seeds)
def test_the_front_of_a_small_space_is_found(space: SearchSpace, seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = random_cost(space, rng), random_cost(space, rng)
    predictor, networks = random_predictor(space, rng, hidden=(4,)), every_network(space)
    most = float(np.median(one.evaluate(networks)))
    problem = Problem(space, predictor, (latency(one, most), latency(other, math.inf)))
    networks = networks[one.evaluate(networks) <= most]
    objectives = np.column_stack([-predictor.predict(networks), problem.costs(networks)])
    best = objectives[undominated(objectives)]
    found = trade_offs(problem, rng, BRIEF)
    ours = np.array([(-each.accuracy, *each.costs) for each in found])
    box = np.maximum(objectives.max(axis=0) + 1, 0)
    assert hypervolume(ours, box) == pytest.approx(hypervolume(best, box), rel=1e-5)
    for each in found:
        assert problem.meets(np.array([each.subnetwork], np.int16)).all()


def test_the_same_randomness_gives_the_same_front_and_known_networks_help() -> None:
    space = space_of(2, ((3, 3, 3, 3), 2), ((3, 3, 3, 3), 1))
    rng = np.random.default_rng(0)
    predictor, cost = random_predictor(space, rng, hidden=(8,)), random_cost(space, rng)
    problem = Problem(space, predictor, (latency(cost, math.inf),))
    once, again = (trade_offs(problem, np.random.default_rng(1), BRIEF) for _ in range(2))
    assert [each.subnetwork for each in once] == [each.subnetwork for each in again]
    known = np.array([each.subnetwork for each in once], np.int16)
    brief = NsgaSettings(population=10, generations=2)
    seeded = trade_offs(problem, np.random.default_rng(2), brief, known)
    assert {each.subnetwork for each in once} <= {each.subnetwork for each in seeded}


def test_what_cannot_be_is_refused() -> None:
    space = space_of(1, ((2,), 1))
    rng = np.random.default_rng(0)
    predictor, cost = random_predictor(space, rng), random_cost(space, rng)
    with pytest.raises(FormatError, match="give some"):
        trade_offs(Problem(space, predictor, ()), rng)
    with pytest.raises(InfeasibleBudgetError):
        trade_offs(Problem(space, predictor, (latency(cost, 1e-6),)), rng)
    with pytest.raises(FormatError, match="counts of at least 2"):
        NsgaSettings(population=1)
