"""Graphs of operators: what a network is, whether profiled or shipped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .errors import GraphError
from .kinds import kind_of, multiply_adds, output_shape
from .operator import Operator, Shape

Weights = Mapping[str, NDArray[np.float32]]
"""``"NODE.WEIGHT"`` to array, in the layout that the kind's weight rule gives."""


@dataclass(frozen=True, slots=True)
class Node:
    """One operator of a graph. Its result is the tensor of the same name.

    Attributes:
        name: unique in the graph.
        inputs: names of graph inputs or of earlier nodes.
    """

    name: str
    operator: Operator
    inputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """Operators in execution order, with named tensors and, once trained, their weights.

    A single-operator model is a graph of one node; a deployed network is a graph of many, so
    what is profiled is written by the same code as what is shipped. The last node's result is
    the graph's output.

    Raises:
        GraphError: a name is missing or doubled, or a shape does not fit.
    """

    name: str
    inputs: tuple[tuple[str, Shape], ...]
    nodes: tuple[Node, ...]
    weights: Weights = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.inputs or not self.nodes:
            raise GraphError(f"{self.name}: a graph has at least one input and one operator")
        known = dict(self.inputs)
        for node in self.nodes:
            if missing := [name for name in node.inputs if name not in known]:
                raise GraphError(f"{self.name}: {node.name} reads {missing[0]!r}, made by nothing")
            if tuple(known[name] for name in node.inputs) != node.operator.inputs:
                raise GraphError(f"{self.name}: {node.name} does not fit what it reads")
            if node.name in known:
                raise GraphError(f"{self.name}: two tensors are called {node.name!r}")
            known[node.name] = output_shape(node.operator)
        if self.weights:
            self._check_weights()

    def _check_weights(self) -> None:
        want = self.weight_shapes
        if want.keys() != self.weights.keys():
            odd = sorted(want.keys() ^ self.weights.keys())
            raise GraphError(f"{self.name}: weights missing or left over: {', '.join(odd[:5])}")
        for name, shape in want.items():
            if self.weights[name].shape != shape:
                raise GraphError(f"{self.name}: {name} is {self.weights[name].shape}, not {shape}")

    @property
    def output(self) -> str:
        """The name of the tensor that the graph computes."""
        return self.nodes[-1].name

    @property
    def operators(self) -> tuple[Operator, ...]:
        """All operators in execution order, repetitions included."""
        return tuple(node.operator for node in self.nodes)

    @property
    def shapes(self) -> dict[str, Shape]:
        """Every tensor's shape by name, without the batch."""
        made = {node.name: output_shape(node.operator) for node in self.nodes}
        return dict(self.inputs) | made

    @property
    def weight_shapes(self) -> dict[str, Shape]:
        """Every weight's shape by name, whether or not the graph carries weights."""
        return {
            f"{node.name}.{weight}": shape
            for node in self.nodes
            for weight, shape in kind_of(node.operator).weights(node.operator).items()
        }

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one sample."""
        return sum(map(multiply_adds, self.operators))

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(int(np.prod(shape)) for shape in self.weight_shapes.values())


class GraphBuilder:
    """Grows a graph node by node, deriving every shape.

    >>> builder = GraphBuilder("tiny", (3, 8, 8))
    >>> tensor = builder.add("stem", "conv2d", builder.input, kernel=3, out=16, stride=2)
    >>> str(builder.graph().operators[0])
    'conv2d/3x8x8/kernel=3,out=16,stride=2/none/float32'
    """

    input = "input"

    def __init__(self, name: str, input_shape: Shape) -> None:
        self._name = name
        self._shapes: dict[str, Shape] = {self.input: input_shape}
        self._nodes: list[Node] = []

    def add(
        self, name: str, kind: str, *inputs: str, activation: str = "none", **attributes: int
    ) -> str:
        """Append an operator that reads the tensors ``inputs``; return its result's name."""
        operator = Operator(
            kind,
            tuple(self._shapes[tensor] for tensor in inputs),
            tuple(sorted(attributes.items())),
            activation,
        )
        self._shapes[name] = output_shape(operator)
        self._nodes.append(Node(name, operator, inputs))
        return name

    def shape(self, tensor: str) -> Shape:
        """Return the shape of a tensor added before, without the batch."""
        return self._shapes[tensor]

    def graph(self, weights: Weights | None = None) -> Graph:
        """Return what was built so far as a graph."""
        inputs = ((self.input, self._shapes[self.input]),)
        return Graph(self._name, inputs, tuple(self._nodes), weights or {})


def single_operator_graph(operator: Operator) -> Graph:
    """Wrap one operator as a graph of its own, ready to be written and timed."""
    names = [f"input{index}" for index in range(len(operator.inputs))]
    inputs = tuple(zip(names, operator.inputs, strict=True))
    return Graph(str(operator), inputs, (Node("operator", operator, tuple(names)),))
