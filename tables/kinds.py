"""Kinds of operators: the shape rule of each.

A new kind is one entry here and one in each writer (``profiler/writers``), nothing else.
Convolutions are padded by ``kernel // 2`` on every side, as PyTorch networks are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from .errors import GraphError, UnknownNameError
from .operator import Operator, Shape


@dataclass(frozen=True, slots=True)
class Kind:
    """What all operators of one kind have in common.

    Attributes:
        ranks: the length of each input's shape.
        attributes: names that every operator of the kind has, sorted.
        output: the shape of its result.
        weights: names and shapes of its weights, in PyTorch's layout (out, in, height, width).
        multiply_adds: of one sample.
    """

    ranks: tuple[int, ...]
    attributes: tuple[str, ...]
    output: Callable[[Operator], Shape]
    weights: Callable[[Operator], Mapping[str, Shape]]
    multiply_adds: Callable[[Operator], int]


def _convolved(operator: Operator, channels: int) -> Shape:
    _, height, width = operator.inputs[0]
    stride = operator["stride"]
    return channels, (height - 1) // stride + 1, (width - 1) // stride + 1


def _conv2d_weights(operator: Operator) -> dict[str, Shape]:
    kernel, out = operator["kernel"], operator["out"]
    return {"weight": (out, operator.inputs[0][0], kernel, kernel), "bias": (out,)}


def _depthwise_weights(operator: Operator) -> dict[str, Shape]:
    kernel, channels = operator["kernel"], operator.inputs[0][0]
    return {"weight": (channels, 1, kernel, kernel), "bias": (channels,)}


def _squeeze_excite_weights(operator: Operator) -> dict[str, Shape]:
    channels, middle = operator.inputs[0][0], operator["middle"]
    return {
        "reduce_weight": (middle, channels, 1, 1),
        "reduce_bias": (middle,),
        "expand_weight": (channels, middle, 1, 1),
        "expand_bias": (channels,),
    }


def _dense_weights(operator: Operator) -> dict[str, Shape]:
    return {"weight": (operator["out"], math.prod(operator.inputs[0])), "bias": (operator["out"],)}


def _no_weights(_: Operator) -> dict[str, Shape]:
    return {}


def _conv2d_multiply_adds(operator: Operator) -> int:
    out = _convolved(operator, operator["out"])
    return math.prod(out) * operator.inputs[0][0] * operator["kernel"] ** 2


KINDS: Mapping[str, Kind] = {
    "add": Kind((3, 3), (), lambda op: op.inputs[0], _no_weights, lambda _: 0),
    "conv2d": Kind(
        (3,),
        ("kernel", "out", "stride"),
        lambda op: _convolved(op, op["out"]),
        _conv2d_weights,
        _conv2d_multiply_adds,
    ),
    "dense": Kind(
        (3,),
        ("out",),
        lambda op: (op["out"],),
        _dense_weights,
        lambda op: math.prod(op.inputs[0]) * op["out"],
    ),
    "depthwise_conv2d": Kind(
        (3,),
        ("kernel", "stride"),
        lambda op: _convolved(op, op.inputs[0][0]),
        _depthwise_weights,
        lambda op: math.prod(_convolved(op, op.inputs[0][0])) * op["kernel"] ** 2,
    ),
    "global_average_pool": Kind(
        (3,), (), lambda op: (op.inputs[0][0], 1, 1), _no_weights, lambda _: 0
    ),
    "squeeze_excite": Kind(
        (3,),
        ("middle",),
        lambda op: op.inputs[0],
        _squeeze_excite_weights,
        lambda op: 2 * op.inputs[0][0] * op["middle"] + math.prod(op.inputs[0]),
    ),
}


@lru_cache(maxsize=16384)  # training builds the graph of each sub-network that it draws
def kind_of(operator: Operator) -> Kind:
    """Look up the rule of an operator and check that the operator obeys it.

    Raises:
        UnknownNameError: there is no such kind.
        GraphError: inputs or attributes are not those of the kind.
    """
    if operator.kind not in KINDS:
        raise UnknownNameError("kind of operator", operator.kind, sorted(KINDS))
    kind = KINDS[operator.kind]
    if tuple(map(len, operator.inputs)) != kind.ranks:
        raise GraphError(f"{operator}: {operator.kind} reads inputs of ranks {kind.ranks}")
    if tuple(name for name, _ in operator.attributes) != kind.attributes:
        raise GraphError(f"{operator}: {operator.kind} has the attributes {kind.attributes}")
    if operator.kind == "add" and operator.inputs[0] != operator.inputs[1]:
        raise GraphError(f"{operator}: the two inputs of an addition have the same shape")
    if operator.kind.endswith("conv2d") and operator["kernel"] % 2 == 0:
        raise GraphError(f"{operator}: only odd kernels are padded evenly")
    return kind


def output_shape(operator: Operator) -> Shape:
    """Return the shape of an operator's result, without the batch."""
    return kind_of(operator).output(operator)


def multiply_adds(operator: Operator) -> int:
    """Count the multiply-adds of one sample."""
    return kind_of(operator).multiply_adds(operator)
