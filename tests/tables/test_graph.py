from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from sartor.tables import (
    Graph,
    GraphBuilder,
    Node,
    Operator,
    multiply_adds,
    output_shape,
    single_operator_graph,
)
from sartor.tables.errors import GraphError

from .strategies import operators


def residual() -> GraphBuilder:
    builder = GraphBuilder("residual", (4, 8, 8))
    tensor = builder.add("first", "conv2d", builder.input, kernel=3, out=6, stride=1)
    tensor = builder.add("second", "conv2d", tensor, kernel=1, out=4, stride=1)
    builder.add("sum", "add", builder.input, tensor, activation="relu")
    return builder


def test_a_graph_knows_what_follows_from_its_nodes() -> None:
    graph = residual().graph()
    assert graph.output == "sum"
    assert graph.shapes == {
        "input": (4, 8, 8),
        "first": (6, 8, 8),
        "second": (4, 8, 8),
        "sum": (4, 8, 8),
    }
    assert [operator.kind for operator in graph.operators] == ["conv2d", "conv2d", "add"]
    assert graph.multiply_adds == 8 * 8 * (4 * 6 * 9 + 6 * 4)
    assert graph.parameters == (4 * 6 * 9 + 6) + (6 * 4 + 4)
    assert residual().shape("first") == (6, 8, 8)


@given(operators())
def test_any_operator_is_a_graph_of_its_own(operator: Operator) -> None:
    graph = single_operator_graph(operator)
    assert graph.name == str(operator)
    assert graph.operators == (operator,)
    assert graph.shapes[graph.output] == output_shape(operator)
    assert graph.multiply_adds == multiply_adds(operator)


def test_weights_are_checked_by_name_and_shape() -> None:
    shapes = residual().graph().weight_shapes
    weights = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    assert residual().graph(weights).weights is weights
    with pytest.raises(GraphError, match=r"missing or left over: first\.bias"):
        residual().graph({name: weights[name] for name in weights if name != "first.bias"})
    weights["second.weight"] = np.zeros((4, 6), np.float32)
    with pytest.raises(GraphError, match=r"second\.weight is \(4, 6\), not \(4, 6, 1, 1\)"):
        residual().graph(weights)


def test_weights_do_not_decide_whether_graphs_are_equal() -> None:
    graph = residual().graph()
    weights = {name: np.ones(shape, np.float32) for name, shape in graph.weight_shapes.items()}
    assert residual().graph(weights) == graph


POOL = Operator.parse("global_average_pool/4x8x8/-/none/float32")
INPUTS = (("input", (4, 8, 8)),)


@pytest.mark.parametrize(
    ("nodes", "complaint"),
    [
        ((), "at least one input and one operator"),
        ((Node("pool", POOL, ("other",)),), "reads 'other', made by nothing"),
        ((Node("pool", POOL, ("input", "input")),), "does not fit"),
        ((Node("input", POOL, ("input",)),), "two tensors are called 'input'"),
        ((Node("a", POOL, ("input",)), Node("b", POOL, ("a",))), "b does not fit"),
    ],
)
def test_a_graph_that_does_not_fit_together_is_refused(
    nodes: tuple[Node, ...], complaint: str
) -> None:
    with pytest.raises(GraphError, match=complaint):
        Graph("broken", INPUTS, nodes)
