from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping

import numpy as np
import pytest

from sartor.specializer.cost import calibration_networks, reachable_operators
from sartor.specializer.latency import compile_latency
from sartor.specializer.search.evolution import SearchSettings, search
from sartor.specializer.search.front import pareto_front
from sartor.specializer.search.problem import Problem
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.tables import Network, Operator, Subject
from sartor.tables.errors import InfeasibleBudgetError, MissingOperatorError
from sartor.tables.granularity import BLOCKS, OPERATORS, Granularity
from sartor.tables.kinds import is_block, multiply_adds, parts
from sartor.tables.quotation import Quotation
from sartor.tables.table import LatencyTable

from ..tables.children import PROVENANCE, window
from .toy import latency, random_predictor

SPEC = MobileNetV3(width=0.25, classes=10, resolutions=(32, 48, 64))
WANTED = (OPERATORS, BLOCKS)


def truth_us(operator: Operator) -> float:
    """What a row says: a block takes a little less than its operators."""
    total = sum(3.0 + multiply_adds(part) / 1000 for part in parts(operator))
    return total - is_block(operator)


def rows(granularities: Iterable[Granularity], contexts: Collection[int]) -> set[Operator]:
    return {
        operator for each in granularities for operator in reachable_operators(SPEC, each, contexts)
    }


def measured(
    operators: Iterable[Operator],
    off: Granularity | None = None,
    failures: Mapping[Subject, str] | None = None,
) -> LatencyTable:
    """A table whose networks take what their blocks do; the rows of one granularity are off."""
    rng = np.random.default_rng(0)
    windows: dict[Subject, list[object]] = {}
    for operator in sorted(operators):
        wrong = off is not None and is_block(operator) == (off is BLOCKS)
        factor = rng.uniform(0.6, 1.4) if wrong else 1.0
        windows[operator] = [window(0, truth_us(operator) * factor)]
    for graph in calibration_networks(SPEC, 8):
        total_us = sum(map(truth_us, BLOCKS.units(graph.operators)))
        windows[Network(graph.name, graph.operators)] = [window(0, total_us)]
    return LatencyTable.from_windows("mine", PROVENANCE, windows, failures or {})  # type: ignore[arg-type]


def published(operators: Iterable[Operator]) -> LatencyTable:
    quoted: dict[Subject, Quotation] = {
        operator: Quotation(truth_us(operator) / 1000) for operator in operators
    }
    return LatencyTable.from_windows("theirs", PROVENANCE, {}, {}, quoted)


EVERYTHING = rows(WANTED, range(3))


@pytest.mark.parametrize(("off", "used"), [(OPERATORS, BLOCKS), (BLOCKS, OPERATORS)])
def test_a_space_costs_what_the_better_rows_predict(off: Granularity, used: Granularity) -> None:
    table = measured(EVERYTHING, off)
    found = compile_latency(SPEC, table)
    assert found.estimator.granularity is used
    population = SPEC.space.random(30, np.random.default_rng(0))
    predictions = [table.predict(SPEC.graph(tuple(row)).operators) for row in population.tolist()]
    assert found.cost.evaluate(population) == pytest.approx(
        [prediction.latency_ms for prediction in predictions], rel=1e-12
    )
    assert found.bound.evaluate(population) == pytest.approx(
        [prediction.high_ms for prediction in predictions], rel=1e-12
    )


def test_the_other_rows_predict_a_space_that_only_they_cover() -> None:
    calibrating = {
        unit for graph in calibration_networks(SPEC, 8) for unit in BLOCKS.units(graph.operators)
    }
    hole = max(operator for operator in EVERYTHING - calibrating if is_block(operator))
    table = measured(EVERYTHING - {hole}, OPERATORS)
    assert [each.granularity for each in table.estimators] == [BLOCKS, OPERATORS]
    assert compile_latency(SPEC, table).estimator.granularity is OPERATORS


def test_what_is_missing_of_a_measured_table_can_be_measured() -> None:
    blocks = rows([BLOCKS], range(3))
    hole = max(operator for operator in blocks if is_block(operator))
    table = measured(blocks - {hole}, failures={hole: "out of memory"})
    with pytest.raises(MissingOperatorError) as caught:
        compile_latency(SPEC, table)
    assert (caught.value.operator, caught.value.failure) == (str(hole), "out of memory")
    for table in (measured(rows([OPERATORS], [0, 1])), measured(())):
        with pytest.raises(MissingOperatorError):
            compile_latency(SPEC, table)


def test_a_published_table_is_searched_over_as_far_as_it_goes() -> None:
    found = compile_latency(SPEC, published(rows([BLOCKS], [1])))
    assert found.estimator.granularity is BLOCKS
    assert found.cost.contexts == [1]
    space, predictor = SPEC.space, random_predictor(SPEC.space, np.random.default_rng(1))
    everything = compile_latency(SPEC, published(rows([BLOCKS], range(3))))
    assert everything.cost.contexts == [0, 1, 2]
    (largest_ms,) = everything.cost.evaluate(np.array([(1, *space.largest[1:])], np.int16))
    brief = SearchSettings(drawn=50, children=20)
    for budget_ms in (largest_ms / 2, 2 * largest_ms):
        rng = np.random.default_rng(2)
        best = search(Problem(space, predictor, (latency(found.bound, budget_ms),)), rng, brief)
        assert best.subnetwork[0] == 1
        graph = SPEC.graph(best.subnetwork)
        sum_ms = sum(truth_us(unit) for unit in BLOCKS.units(graph.operators)) / 1000
        assert best.costs[0] == pytest.approx(sum_ms)
    axis = latency(found.bound, math.inf)
    front = pareto_front(Problem(space, predictor, (axis,)), np.random.default_rng(0), points=3)
    assert {each.subnetwork[0] for each in front} == {1}
    assert front[-1].costs[0] <= largest_ms * (1 + 1e-12)
    impossible = Problem(space, predictor, (latency(found.bound, 1e-6),))
    with pytest.raises(InfeasibleBudgetError, match=r"the fastest, 48:"):
        search(impossible, np.random.default_rng(0), brief)


def test_a_published_table_that_covers_nothing_names_what_lacks_least() -> None:
    nearly = rows([BLOCKS], [2])
    classifier = next(operator for operator in nearly if operator.kind == "dense")
    with pytest.raises(MissingOperatorError) as caught:
        compile_latency(SPEC, published(nearly - {classifier}))
    assert caught.value.operator == str(classifier)
