from __future__ import annotations

import pytest

from sartor.profiler import Coverage, Plan, coverage, make_plan
from sartor.profiler.reference import reference_graph
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.tables.blocks import composed
from sartor.tables.errors import FormatError, GraphError
from sartor.tables.granularity import BLOCKS, OPERATORS
from sartor.tables.graph import single_operator_graph
from sartor.tables.kinds import is_block, multiply_adds, parts
from sartor.tables.operator import Operator
from sartor.tables.subject import Call, Framed

ADD = Operator.parse("add/8x4x4,8x4x4/-/none/float32")
POOL = Operator.parse("global_average_pool/8x4x4/-/none/float32")


def test_operators_are_planned_once_and_sorted() -> None:
    assert make_plan([POOL, ADD, POOL]) == Plan((ADD, POOL), (), 3)
    assert make_plan([ADD, POOL]) == make_plan([POOL, ADD])


def test_networks_bring_their_operators() -> None:
    spec = MobileNetV3(classes=10, resolutions=(64,))
    network = spec.graph(spec.space.smallest)
    plan = make_plan([ADD], [network], passes=2)
    assert set(plan.operators) == {ADD, *network.operators}
    assert plan.windows == 2 * (len(plan.operators) + 3)
    last = [target.graph.name for target in plan.targets][-3:]
    assert last == ["call", "call 9", network.name]
    assert plan.targets[0].graph == single_operator_graph(plan.operators[0])


def test_networks_bring_their_blocks_and_a_block_is_run_as_its_operators() -> None:
    spec = MobileNetV3(classes=10, resolutions=(64,))
    network = spec.graph(spec.space.smallest)
    blocks = make_plan([], [network], rows=(BLOCKS,))
    kinds = {operator.kind for operator in blocks.operators}
    assert kinds == {"conv2d", "dense", "global_average_pool", "mbconv"}
    assert set(blocks.operators) == set(composed(network.operators))
    both = make_plan([], [network], rows=(OPERATORS, BLOCKS))
    assert set(both.operators) == {*network.operators, *blocks.operators}
    for target in make_plan([], [network], rows=(BLOCKS,), framed=True).targets:
        assert not any(map(is_block, target.graph.operators))
        if isinstance(target.subject, Framed):
            assert set(target.graph.operators) >= set(parts(target.subject.operator))


def test_the_memory_of_a_block_is_that_of_its_operators() -> None:
    text = "mbconv/8x4x4/expand=24,kernel=3,out=8,se=0,skip=1,stride=1/relu/float32"
    block = Operator.parse(text)
    target, *_ = make_plan([block]).targets
    maps = 4 * 4 * (8 + 24 + 24 + 8 + 8)
    assert target.memory_mb == 4 * (single_operator_graph(block).parameters + maps) / 1e6


def test_a_plan_that_measures_nothing_is_refused() -> None:
    with pytest.raises(FormatError, match="0 passes measure nothing"):
        make_plan([ADD], passes=0)
    with pytest.raises(FormatError, match="without operators"):
        make_plan([])
    with pytest.raises(FormatError, match="two networks are called 'reference'"):
        make_plan([], [reference_graph(), reference_graph()])


def test_coverage_counts_what_the_plan_wants_and_nothing_else() -> None:
    plan = make_plan([ADD, POOL], passes=2)
    elsewhere = Operator.parse("add/9x4x4,9x4x4/-/none/float32")
    done = {(str(ADD), 0), (str(ADD), 1), (str(ADD), 2), (str(elsewhere), 0)}
    assert coverage(plan, done) == Coverage(2, 1, 8, 4)
    assert coverage(plan, done).share == 1 / 4
    assert coverage(plan, ()).share == 0


@pytest.mark.parametrize("framed", [False, True])
def test_calls_are_planned_wherever_operators_are(framed: bool) -> None:
    targets = make_plan([ADD], [reference_graph()], framed=framed, dtype="int8").targets
    for count in (1, 9):
        (call,) = [target.graph for target in targets if target.subject == Call(count)]
        assert [multiply_adds(operator) for operator in call.operators] == [64] * count
        assert [operator.dtype for operator in call.operators] == ["int8"] * count
    only_networks = Plan((), (reference_graph(),))
    assert [target.graph.name for target in only_networks.targets] == ["reference"]


def test_a_plan_is_of_one_data_type_to_which_it_can_be_converted() -> None:
    network = reference_graph()
    plan = make_plan([ADD, POOL], [network], dtype="int8", framed=True)
    assert plan.dtype == "int8"
    for target in plan.targets:
        assert {operator.dtype for operator in target.graph.operators} == {"int8"}
    bytes_of = {
        dtype: make_plan([ADD], dtype=dtype).targets[0].memory_mb
        for dtype in ("float32", "float16", "int8")
    }
    assert bytes_of["float32"] == 2 * bytes_of["float16"] == 4 * bytes_of["int8"]
    with pytest.raises(GraphError, match="one data type"):
        Plan((ADD,), plan.networks)
