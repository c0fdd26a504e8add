from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from sartor.tables import Operator, kind_of, multiply_adds, output_shape, single_operator_graph
from sartor.tables.blocks import composed
from sartor.tables.errors import GraphError
from sartor.tables.kinds import parts, refuse_blocks
from sartor.tables.lookup import nearest

from .strategies import blocks, mbconvs, operators

BLOCK = "mbconv/24x56x56/expand=72,kernel=5,out=40,se=24,skip=0,stride=2/relu/float32"


def test_a_block_is_made_of_what_the_papers_say() -> None:
    assert list(map(str, parts(Operator.parse(BLOCK)))) == [
        "conv2d/24x56x56/kernel=1,out=72,stride=1/relu/float32",
        "depthwise_conv2d/72x56x56/kernel=5,stride=2/relu/float32",
        "squeeze_excite/72x28x28/middle=24/none/float32",
        "conv2d/72x28x28/kernel=1,out=40,stride=1/none/float32",
    ]
    plain = "mbconv/24x7x7/expand=24,kernel=3,out=24,se=0,skip=1,stride=1/relu6/float32"
    assert list(map(str, parts(Operator.parse(plain)))) == [
        "depthwise_conv2d/24x7x7/kernel=3,stride=1/relu6/float32",
        "conv2d/24x7x7/kernel=1,out=24,stride=1/none/float32",
        "add/24x7x7,24x7x7/-/none/float32",
    ]
    assert list(map(str, parts(Operator.parse("pooled_dense/320x7x7/out=10/none/float32")))) == [
        "global_average_pool/320x7x7/-/none/float32",
        "dense/320x1x1/out=10/none/float32",
    ]


def test_a_published_block_has_its_published_cost() -> None:
    """MobileNetV2's bottleneck is h·w·d'·t·(d' + k² + d'') (Sandler et al., CVPR 2018, 3.3)."""
    block = "mbconv/64x14x14/expand=384,kernel=3,out=64,se=0,skip=1,stride=1/relu6/float32"
    assert multiply_adds(Operator.parse(block)) == 14 * 14 * 64 * 6 * (64 + 3**2 + 64)


@given(blocks)
def test_a_block_is_the_sum_of_its_parts(block: Operator) -> None:
    made_of = parts(block)
    assert Operator.parse(str(block)) == block
    assert multiply_adds(block) == sum(map(multiply_adds, made_of))
    assert output_shape(block) == output_shape(made_of[-1])
    weights = kind_of(block).weights(block)
    assert len(weights) == sum(len(kind_of(part).weights(part)) for part in made_of)
    graph = single_operator_graph(block)
    assert graph.multiply_adds == multiply_adds(block)
    assert graph.parameters > 0


@given(operators())
def test_any_other_operator_is_its_own_part(operator: Operator) -> None:
    assert parts(operator) == (operator,)


@given(st.lists(mbconvs(), max_size=3))
def test_parts_are_joined_again(drawn: list[Operator]) -> None:
    apart = [part for block in drawn for part in parts(block)]
    joined = composed(apart)
    assert [part for block in joined for part in parts(block)] == apart
    assert joined == tuple(drawn)


@given(st.lists(st.one_of(mbconvs(), operators()), max_size=4))
def test_joining_loses_nothing(drawn: list[Operator]) -> None:
    apart = [part for operator in drawn for part in parts(operator)]
    assert [part for joined in composed(apart) for part in parts(joined)] == apart


@pytest.mark.parametrize(
    "text",
    [
        "conv2d/24x7x7/kernel=1,out=72,stride=1/relu/float32",
        "depthwise_conv2d/24x7x7/kernel=3,stride=1/relu/float32",
        "add/24x7x7,24x7x7/-/none/float32",
    ],
)
def test_what_makes_no_block_stays(text: str) -> None:
    operator = Operator.parse(text)
    assert composed([operator]) == (operator,)
    assert composed([operator] * 3) == (operator,) * 3


def test_a_block_with_two_activations_is_none() -> None:
    block = Operator.parse(BLOCK)
    expand, *others = parts(block)
    odd = Operator(expand.kind, expand.inputs, expand.attributes, "hswish")
    assert composed([odd, *others])[0] == odd
    assert block not in composed([odd, *others])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (BLOCK.replace("kernel=5", "kernel=4"), "odd kernels"),
        (BLOCK.replace("expand=72", "expand=0"), "expand is at least 1"),
        (BLOCK.replace("skip=0", "skip=1"), "1 only where the output fits the input"),
        (BLOCK.replace("skip=0", "skip=1").replace("out=40", "out=24"), "fits the input"),
        (BLOCK.replace("se=24,", ""), "attributes"),
        ("mbconv/24x7x7/expand=24,kernel=3,out=24,se=0,skip=2,stride=1/relu/float32", "skip is 1"),
        ("dense/8x1x1/out=0/none/float32", "out is at least 1"),
        ("pooled_dense/8/out=1/none/float32", "ranks"),
    ],
)
def test_blocks_that_break_the_rule_are_refused(text: str, complaint: str) -> None:
    with pytest.raises(GraphError, match=complaint):
        kind_of(Operator.parse(text))


def test_a_reader_of_operators_refuses_blocks() -> None:
    block = Operator.parse(BLOCK)
    with pytest.raises(GraphError, match=r"the mill takes no block, and mbconv/.* made of: conv2d"):
        refuse_blocks([*parts(block), block], "the mill")
    refuse_blocks(parts(block), "the mill")


@given(mbconvs(), mbconvs())
def test_blocks_have_neighbours(one: Operator, other: Operator) -> None:
    assert nearest([one, other], one, 1) == [one]
