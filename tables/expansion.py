"""Expansion: a graph of blocks as the graph of what they are made of, which runtimes can run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .graph import Graph, Node, Weights
from .kinds import is_block, kind_of
from .operator import Operator


def expanded(graph: Graph) -> Graph:
    """Replace every block of a graph by its parts, with the block's weights.

    The last part keeps the block's name, so that whoever reads its result still does; the others
    are called ``BLOCK.PART``. What the graph computes stays the same, and so do its inputs and the
    name of its output.

    Raises:
        GraphError: a tensor is called already what a part would be.
    """
    if not any(map(is_block, graph.operators)):
        return graph
    nodes = [part for node in graph.nodes for part in _parts_of(node)]
    return replace(graph, nodes=tuple(nodes), weights=_weights_of(graph))


def _parts_of(node: Node) -> Iterator[Node]:
    """Yield the nodes that a node is made of; a part reads the one before it."""
    read = node.inputs
    for name, part in _named_parts(node):
        # An addition ends a block that skips: the second tensor it reads is the block's input.
        inputs = (*node.inputs, *read) if len(part.inputs) > 1 else read
        yield Node(name, part, inputs)
        read = (name,)


def _named_parts(node: Node) -> list[tuple[str, Operator]]:
    kind = kind_of(node.operator)
    if kind.parts is None:
        return [(node.name, node.operator)]
    *before, (_, last) = kind.parts(node.operator)
    return [*((f"{node.name}.{name}", part) for name, part in before), (node.name, last)]


def _weights_of(graph: Graph) -> Weights:
    """Name the weights after the parts: ``BLOCK.PART.WEIGHT`` but for the last, ``BLOCK.WEIGHT``.

    All but the last part's are called so already.
    """
    last_parts = {
        f"{node.name}.{kind.parts(node.operator)[-1][0]}.": f"{node.name}."
        for node in graph.nodes
        if (kind := kind_of(node.operator)).parts is not None
    }
    renamed = {}
    for name, value in graph.weights.items():
        long = f"{name.rpartition('.')[0]}."
        renamed[last_parts.get(long, long) + name.removeprefix(long)] = value
    return renamed
