from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from sartor.specializer.cost import calibration_networks, compile_cost, reachable_operators
from sartor.specializer.search.evolution import search
from sartor.specializer.search.fastest import fastest
from sartor.specializer.search.problem import Limit, Problem
from sartor.specializer.space import ABSENT
from sartor.specializer.supernets.resnet50 import DEPTHS, ResNet50
from sartor.tables.errors import FormatError, MissingOperatorError
from sartor.tables.granularity import BLOCKS
from sartor.tables.kinds import multiply_adds
from sartor.tables.operator import Operator

from .toy import random_predictor

PUBLISHED = ResNet50()
SMALL = ResNet50(0.25, 10, (64, 97))


def stage_fillings(least: int, most: int) -> int:
    return int(sum(3**depth for depth in range(least, most + 1)))


def test_the_space_holds_what_can_be_chosen() -> None:
    # Of each stage two to four (four to six) blocks of three ratios; six widths; the stem's block.
    stages = [stage_fillings(2, 4)] * 3 + [stage_fillings(4, 6)]
    assert PUBLISHED.space.size == 7 * 3**6 * 2 * int(np.prod(stages))
    text = (
        "224.w65.w80.w100.w100.w80.w65:conv|e20.e25.e35.-|e20.e20.-.-|e20.e20.e20.e35.e25.-"
        "|e35.e35.e35.e35"
    )
    assert PUBLISHED.space.text(PUBLISHED.space.parse(text)) == text


def test_a_resnet_of_the_usual_widths_costs_what_a_resnet50d_does() -> None:
    # ResNet-50-D has 4.3 billion multiply-adds at 224 pixels (He et al., Bag of tricks, table 5)
    # and, as timm's resnet50d, 25.58 million weights, those of BatchNorm included.
    network = PUBLISHED.space.parse(
        "224.w100.w100.w100.w100.w100.w100:conv|e25.e25.e25.-|e25.e25.e25.e25"
        "|e25.e25.e25.e25.e25.e25|e25.e25.e25.-"
    )
    graph = PUBLISHED.graph(network)
    channels = sum(op["out"] for op in graph.operators if op.kind == "conv2d")
    assert (graph.parameters + channels) / 1e6 == pytest.approx(25.58, abs=0.005)
    assert graph.multiply_adds / 1e9 == pytest.approx(4.3, abs=0.05)


def test_the_parts_hold_the_operators_of_the_whole() -> None:
    for row in SMALL.space.random(30, np.random.default_rng(0)).tolist():
        context, *choices = row
        parts = [
            SMALL.stem_graph(context),
            *(
                SMALL.block_graph(context, slot, choice)
                for slot, choice in enumerate(choices)
                if choice != ABSENT
            ),
            SMALL.head_graph(context),
        ]
        whole = SMALL.graph(tuple(row))
        operators = Counter(operator for part in parts for operator in part.operators)
        assert operators == Counter(whole.operators)
        assert whole.shapes[whole.output] == (SMALL.classes,)
        units = Counter(unit for part in parts for unit in BLOCKS.units(part.operators))
        assert units == Counter(BLOCKS.units(whole.operators))


def test_graphs_depend_on_no_axis_that_is_not_said() -> None:
    space, rng = SMALL.space, np.random.default_rng(0)
    for context in rng.integers(len(space.contexts), size=40).tolist():
        for slot, described in enumerate(space.slots):
            first = int(space.alike(described.name)[context])
            block, same = (SMALL.block_graph(each, slot, 1) for each in (context, first))
            assert block.operators == same.operators
        for part, build in (("stem", SMALL.stem_graph), ("head", SMALL.head_graph)):
            first = int(space.alike(part)[context])
            assert build(context).operators == build(first).operators


def test_the_whole_space_is_compiled_from_few_graphs() -> None:
    asked: list[Operator] = []

    def cost(operator: Operator) -> float:
        asked.append(operator)
        return float(multiply_adds(operator))

    tensor = compile_cost(PUBLISHED, cost)
    assert len(set(asked)) == len(asked) == len(reachable_operators(PUBLISHED))
    assert tensor.choice.nbytes < 4e6
    population = PUBLISHED.space.random(30, np.random.default_rng(1))
    networks = [PUBLISHED.graph(tuple(row)) for row in population.tolist()]
    assert tensor.evaluate(population).tolist() == [graph.multiply_adds for graph in networks]
    assert {operator for graph in networks for operator in graph.operators} <= set(asked)
    assert fastest(PUBLISHED.space, tensor)[0] == 0


def test_widths_that_lack_an_operator_are_left_out() -> None:
    space = SMALL.space
    gone = SMALL.head_graph(space.largest[0]).operators[0]

    def cost(operator: Operator) -> float:
        if operator == gone:
            raise MissingOperatorError(str(operator), [])
        return 1.0

    known = compile_cost(SMALL, cost, partial=True).contexts
    lacking = sorted(set(range(len(space.contexts))) - set(known))
    places = space.genes(np.array([[context, *space.largest[1:]] for context in lacking], np.int16))
    assert len(lacking) == 3**5
    assert np.all(places[:, 0] == 1)
    assert np.all(places[:, 6] == 2)
    with pytest.raises(MissingOperatorError):
        compile_cost(SMALL, cost)


def test_reachable_operators_are_those_of_the_contexts_asked_for() -> None:
    space = SMALL.space
    contexts = [0, len(space.contexts) - 1]
    networks = [(context, 1, *[choice] * 18) for context in contexts for choice in (1, 2, 3)]
    assert set(reachable_operators(SMALL, contexts=contexts)) == {
        operator for network in networks for operator in SMALL.graph(network).operators
    }


def test_calibration_networks_span_the_space() -> None:
    networks = calibration_networks(SMALL, 4)
    assert networks[0] == SMALL.graph(SMALL.space.smallest)
    assert networks[-1] == SMALL.graph(SMALL.space.largest)
    sizes = [network.multiply_adds for network in networks]
    assert sizes == sorted(sizes)


def test_seeds_agree_on_the_best_network() -> None:
    space = PUBLISHED.space
    cost = compile_cost(PUBLISHED, lambda operator: 0.001 + multiply_adds(operator) / 1e8)
    predictor = random_predictor(space, np.random.default_rng(0), hidden=(20,))
    problem = Problem(space, predictor, (Limit("latency", "ms", cost, 20.0),))
    results = [search(problem, np.random.default_rng(seed)) for seed in range(2)]
    for result in results:
        assert result.costs[0] <= 20.0
        space.check(result.subnetwork)
    assert results[0].accuracy == pytest.approx(results[1].accuracy, abs=1e-3)


def test_blocks_of_a_network_by_hand() -> None:
    network = PUBLISHED.space.parse(
        "192.w65.w80.w100.w65.w80.w100:-|e20.e25.-.-|e35.e35.-.-|e20.e20.e20.e20.-.-|e20.e25.-.-"
    )
    blocks = list(PUBLISHED.blocks(network))
    assert PUBLISHED.resolution(network) == 192
    assert [block.index for block in blocks] == [0, 1, 4, 5, 8, 9, 10, 11, 14, 15]
    assert [block.stride for block in blocks] == [1, 1, 2, 1, 2, 1, 1, 1, 2, 1]
    # 0.8 × 64 = 51.2 is rounded to 48; 0.2 × 256 = 51 as well
    assert (blocks[0].in_channels, blocks[0].middle, blocks[0].out_channels) == (48, 48, 256)
    # 0.65 × 512 = 332.8 to 336, of which 0.35 are 118, so 120
    assert (blocks[2].in_channels, blocks[2].middle, blocks[2].out_channels) == (256, 120, 336)
    assert sum(most for _, most in DEPTHS) == 18


@pytest.mark.parametrize(
    ("width", "classes", "resolutions"),
    [(0.0, 10, [96]), (float("nan"), 10, [96]), (1.0, 0, [96]), (1.0, 10, []), (1.0, 10, [16])],
)
def test_spec_refuses_numbers_that_make_no_sense(
    width: float, classes: int, resolutions: list[int]
) -> None:
    with pytest.raises(FormatError, match="no supernet"):
        ResNet50.describe({"width": width}, classes, resolutions)
