from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from sartor.tables.errors import GraphError
from sartor.tables.expansion import expanded
from sartor.tables.graph import Graph, GraphBuilder, Node, single_operator_graph
from sartor.tables.kinds import parts
from sartor.tables.operator import Operator

from .strategies import blocks, operators

BLOCK = Operator.parse("mbconv/8x6x6/expand=24,kernel=3,out=8,se=8,skip=1,stride=1/relu/float32")
NARROW = Operator.parse("mbconv/8x6x6/expand=8,kernel=3,out=12,se=0,skip=0,stride=2/relu/float32")


def between(block: Operator) -> Graph:
    """A block that something stands before and behind."""
    builder = GraphBuilder("between", (3, 6, 6))
    tensor = builder.add("before", "conv2d", builder.input, kernel=1, out=8, stride=1)
    attributes = dict(block.attributes)
    tensor = builder.add("block", block.kind, tensor, activation=block.activation, **attributes)
    builder.add("after", "global_average_pool", tensor)
    return builder.graph()


def test_each_part_reads_the_one_before_it_and_an_addition_the_blocks_input_too() -> None:
    graph = expanded(between(BLOCK))
    assert [(node.name, node.inputs) for node in graph.nodes] == [
        ("before", ("input",)),
        ("block.expand", ("before",)),
        ("block.depthwise", ("block.expand",)),
        ("block.squeeze_excite", ("block.depthwise",)),
        ("block.project", ("block.squeeze_excite",)),
        ("block", ("before", "block.project")),
        ("after", ("block",)),
    ]


def test_weights_follow_their_parts() -> None:
    graph = between(NARROW)
    weights = {
        name: np.full(shape, number, np.float32)
        for number, (name, shape) in enumerate(graph.weight_shapes.items())
    }
    weighted = expanded(replace(graph, weights=weights))
    assert weighted.weights["block.depthwise.weight"] is weights["block.depthwise.weight"]
    assert weighted.weights["block.weight"] is weights["block.project.weight"]
    assert weighted.weights["block.bias"] is weights["block.project.bias"]
    assert weighted.weights["before.bias"] is weights["before.bias"]
    assert len(weighted.weights) == len(weights)


@given(blocks)
def test_a_block_becomes_its_parts_under_its_own_name(block: Operator) -> None:
    graph = single_operator_graph(block)
    apart = expanded(graph)
    assert apart.operators == parts(block)
    assert (apart.name, apart.inputs, apart.output) == (graph.name, graph.inputs, graph.output)
    assert apart.parameters == graph.parameters
    assert apart.shapes[apart.output] == graph.shapes[graph.output]


@given(operators())
def test_a_graph_without_blocks_stays_as_it_is(operator: Operator) -> None:
    graph = single_operator_graph(operator)
    assert expanded(graph) is graph


def test_a_part_takes_no_name_that_is_taken() -> None:
    graph = between(NARROW)
    taken = Node("block.depthwise", graph.nodes[0].operator, ("input",))
    crowded = Graph(graph.name, graph.inputs, (taken, *graph.nodes))
    with pytest.raises(GraphError, match=r"two tensors are called 'block\.depthwise'"):
        expanded(crowded)
