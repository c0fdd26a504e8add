from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from sartor.specializer.cost import calibration_networks, compile_cost, reachable_operators
from sartor.specializer.search.fastest import fastest, largest
from sartor.specializer.space import SearchSpace
from sartor.specializer.supernets.mobilenet_v3 import CHOICES, MAX_DEPTH, MobileNetV3
from sartor.tables.blocks import composed
from sartor.tables.errors import FormatError, MissingOperatorError
from sartor.tables.granularity import BLOCKS
from sartor.tables.kinds import multiply_adds, parts
from sartor.tables.measurement import Measurement, Window
from sartor.tables.operator import Operator
from sartor.tables.provenance import Condition, Provenance
from sartor.tables.subject import Network, Subject
from sartor.tables.table import LatencyTable

from .toy import Toy, every_network, random_cost, space_of, spaces

MOBILE = MobileNetV3(classes=10, resolutions=(32, 64))


def measured(latency_us: float) -> Measurement:
    return Measurement((Window(0, (latency_us,), 0, 5.0, "2026-01-01T00:00:00Z"),), 5.0)


def pretended_us(operator: Operator) -> float:
    return 3.0 + multiply_adds(operator) / 10_000 * (1 + len(str(operator)) % 7)


@pytest.fixture(scope="module")
def table() -> LatencyTable:
    """A real table with made-up samples, and networks some 20 % above their sums, less 50 µs."""
    facts = Provenance("local", (), Condition("litert"), "2", "0" * 64, "1", "1", "now", "0.1")
    measurements: dict[Subject, Measurement] = {
        operator: measured(pretended_us(operator)) for operator in reachable_operators(MOBILE)
    }
    for index, graph in enumerate(calibration_networks(MOBILE, 8)):
        sum_us = sum(map(pretended_us, graph.operators))
        network = Network(graph.name, graph.operators)
        measurements[network] = measured((1.2 + 0.005 * index) * sum_us - 50)
    return LatencyTable("made-up", facts, measurements)


def test_the_sum_is_what_the_table_predicts(table: LatencyTable) -> None:
    calibration = table.calibration
    cost = compile_cost(MOBILE, table.latency_ms)
    population = MOBILE.space.random(30, np.random.default_rng(0))
    networks = [MOBILE.graph(tuple(row)) for row in population.tolist()]
    predictions = [table.predict(network.operators) for network in networks]
    assert 1.1 < calibration.factors[-1] < 1.3
    assert cost.through(calibration.middle).evaluate(population) == pytest.approx(
        [prediction.latency_ms for prediction in predictions], rel=1e-12
    )
    assert cost.through(calibration.high).evaluate(population) == pytest.approx(
        [prediction.high_ms for prediction in predictions], rel=1e-12
    )


@settings(max_examples=30)
@given(spaces())
def test_the_sum_is_exact_for_every_network_of_a_small_space(space: SearchSpace) -> None:
    population = every_network(space)
    costs = compile_cost(Toy(space), multiply_adds).evaluate(population)
    assert costs.tolist() == [
        Toy(space).graph(tuple(row)).multiply_adds for row in population.tolist()
    ]


@given(st.integers(1, 40))
def test_a_network_costs_the_same_in_any_company_and_layout(count: int) -> None:
    rng = np.random.default_rng(count)
    cost, population = random_cost(MOBILE.space, rng), MOBILE.space.random(count, rng)
    alone = [cost.evaluate(population[[index]])[0] for index in range(count)]
    assert cost.evaluate(population).tolist() == alone
    assert cost.evaluate(np.asfortranarray(population)).tolist() == alone


def test_what_a_slot_cannot_be_costs_infinitely_much() -> None:
    space = space_of(1, ((1, 3), 1))
    cost = compile_cost(Toy(space), multiply_adds)
    assert np.isinf(cost.evaluate(np.array([[0, 0, 0], [0, 2, 0]], np.int16))).all()


def test_a_missing_operator_stops_the_compilation(table: LatencyTable) -> None:
    missing = reachable_operators(MOBILE)[100]
    holed = table.without({missing})
    with pytest.raises(MissingOperatorError) as caught:
        compile_cost(MOBILE, holed.latency_ms)
    assert caught.value.operator == str(missing)


def test_each_operator_is_asked_for_once() -> None:
    asked: list[Operator] = []

    def cost(operator: Operator) -> float:
        asked.append(operator)
        return 1.0

    compile_cost(MOBILE, cost)
    assert sorted(asked) == list(reachable_operators(MOBILE))


def test_blocks_cost_what_a_table_of_blocks_says() -> None:
    cost = compile_cost(MOBILE, pretended_us, granularity=BLOCKS)
    population = MOBILE.space.random(30, np.random.default_rng(0))
    networks = [composed(MOBILE.graph(tuple(row)).operators) for row in population.tolist()]
    assert cost.evaluate(population) == pytest.approx(
        [sum(map(pretended_us, network)) for network in networks], rel=1e-12
    )


def test_reachable_blocks_are_exactly_those_of_the_networks() -> None:
    slots = len(MOBILE.space.slots)
    largest = [
        (context, *[choice] * slots)
        for context in range(len(MOBILE.resolutions))
        for choice in range(1, len(CHOICES) + 1)
    ]
    reachable = reachable_operators(MOBILE, BLOCKS)
    assert set(reachable) == {
        operator for network in largest for operator in composed(MOBILE.graph(network).operators)
    }
    apart = {part for operator in reachable for part in parts(operator)}
    assert apart == set(reachable_operators(MOBILE))
    of_one = [set(reachable_operators(MOBILE, BLOCKS, [context])) for context in (0, 1)]
    assert of_one[0] | of_one[1] == set(reachable)
    assert of_one[0] - of_one[1]


def test_contexts_that_lack_an_operator_are_left_out_where_that_is_asked_for(
    table: LatencyTable,
) -> None:
    (gone, *_) = set(reachable_operators(MOBILE, contexts=[0])) - set(
        reachable_operators(MOBILE, contexts=[1])
    )
    holed = table.without({gone})
    cost, whole = (compile_cost(MOBILE, each.latency_ms, partial=True) for each in (holed, table))
    assert (cost.contexts, whole.contexts) == ([1], [0, 1])
    population = MOBILE.space.random(50, np.random.default_rng(0))
    known = population[:, 0] == 1
    assert np.isinf(cost.evaluate(population[~known])).all()
    assert np.array_equal(cost.evaluate(population[known]), whole.evaluate(population[known]))
    assert fastest(MOBILE.space, cost)[0] == largest(MOBILE.space, cost)[0] == 1
    assert largest(MOBILE.space, whole) == MOBILE.space.largest


def test_reachable_operators_are_exactly_those_of_the_networks() -> None:
    slots = len(MOBILE.space.slots)
    networks = [
        (context, *[choice] * slots)
        for context in range(len(MOBILE.resolutions))
        for choice in range(1, len(CHOICES) + 1)
    ]
    assert slots == MAX_DEPTH * 5
    assert set(reachable_operators(MOBILE)) == {
        operator for network in networks for operator in MOBILE.graph(network).operators
    }


@pytest.mark.parametrize("count", [2, 3, 5, 12])
def test_calibration_networks_stand_for_random_ones(count: int) -> None:
    supernet = MobileNetV3(classes=10, resolutions=(96, 128, 160))
    space, networks = supernet.space, calibration_networks(supernet, count)
    assert networks[0] == supernet.graph(space.smallest)
    assert networks[-1] == supernet.graph(space.largest)
    assert len({network.name for network in networks}) == count
    random = space.random(500, np.random.default_rng(5))
    sizes = compile_cost(supernet, multiply_adds).evaluate(random)
    smaller = [float(np.mean(sizes < network.multiply_adds)) for network in networks[1:-1]]
    assert smaller == pytest.approx([(i + 0.5) / (count - 2) for i in range(count - 2)], abs=0.08)
    assert calibration_networks(supernet, count) == networks


def test_calibration_networks_of_a_tiny_space_are_all_of_it() -> None:
    supernet = Toy(space_of(1, ((3,), 0)))
    assert len(calibration_networks(supernet, 10)) == 4


def test_one_calibration_network_spans_nothing() -> None:
    with pytest.raises(FormatError, match="2 or more"):
        calibration_networks(MOBILE, 1)
