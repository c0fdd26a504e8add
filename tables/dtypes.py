"""Data types of operators: the same operator, or graph, in another one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from .errors import GraphError
from .graph import Graph
from .operator import Operator


def with_dtype(operator: Operator, dtype: str) -> Operator:
    """Return the operator in another data type; FormatError when there is no such type."""
    return replace(operator, dtype=dtype)


def graph_with_dtype(graph: Graph, dtype: str) -> Graph:
    """Return the graph with all its operators in another data type.

    Its weights stay as they are, in float32: writers convert them.
    """
    nodes = tuple(replace(node, operator=with_dtype(node.operator, dtype)) for node in graph.nodes)
    return replace(graph, nodes=nodes)


def common_dtype(operators: Iterable[Operator]) -> str:
    """Return the data type that all operators have; GraphError when they differ, or are none."""
    found = sorted({operator.dtype for operator in operators})
    if len(found) != 1:
        raise GraphError(
            f"operators of one data type are wanted, not of {' and '.join(found) or 'none'}; "
            "convert them with graph_with_dtype"
        )
    return found[0]
