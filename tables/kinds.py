"""Kinds of operators: the shape rule of each.

A new kind is one entry here and one in each writer (``profiler/writers``), nothing else. A block is
one entry here and its parts in ``blocks``; writers do not know it.
Convolutions and maximum pooling are padded by ``kernel // 2`` on every side, as PyTorch networks
are; average pooling is not padded, and its last windows end where the map does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from .blocks import Parts, mbconv_parts, pooled_dense_parts
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
        optional: names of the attributes that may be 0.
        parts: of a block, the operators that it is made of.
    """

    ranks: tuple[int, ...]
    attributes: tuple[str, ...]
    output: Callable[[Operator], Shape]
    weights: Callable[[Operator], Mapping[str, Shape]]
    multiply_adds: Callable[[Operator], int]
    optional: tuple[str, ...] = ()
    parts: Callable[[Operator], Parts] | None = None


def _convolved(operator: Operator, channels: int) -> Shape:
    return channels, *_strided(operator, operator["stride"])[1:]


def _strided(operator: Operator, stride: int) -> Shape:
    channels, height, width = operator.inputs[0]
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


def _block(
    attributes: tuple[str, ...],
    parts: Callable[[Operator], Parts],
    optional: tuple[str, ...] = (),
) -> Kind:
    """Derive everything of a block from its parts; its weights are theirs, as PART.WEIGHT."""
    return Kind(
        (3,),
        attributes,
        lambda op: output_shape(parts(op)[-1][1]),
        lambda op: {
            f"{name}.{weight}": shape
            for name, part in parts(op)
            for weight, shape in kind_of(part).weights(part).items()
        },
        lambda op: sum(multiply_adds(part) for _, part in parts(op)),
        optional,
        parts,
    )


KINDS: Mapping[str, Kind] = {
    "add": Kind((3, 3), (), lambda op: op.inputs[0], _no_weights, lambda _: 0),
    "average_pool": Kind(
        (3,), ("window",), lambda op: _strided(op, op["window"]), _no_weights, lambda _: 0
    ),
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
    "max_pool": Kind(
        (3,),
        ("kernel", "stride"),
        lambda op: _convolved(op, op.inputs[0][0]),
        _no_weights,
        lambda _: 0,
    ),
    "mbconv": _block(
        ("expand", "kernel", "out", "se", "skip", "stride"), mbconv_parts, ("se", "skip")
    ),
    "pooled_dense": _block(("out",), pooled_dense_parts),
    "squeeze_excite": Kind(
        (3,),
        ("middle",),
        lambda op: op.inputs[0],
        _squeeze_excite_weights,
        lambda op: 2 * op.inputs[0][0] * op["middle"] + math.prod(op.inputs[0]),
    ),
}


def _check_add(addition: Operator) -> None:
    if addition.inputs[0] != addition.inputs[1]:
        raise GraphError(f"{addition}: the two inputs of an addition have the same shape")


def _check_max_pool(pool: Operator) -> None:
    if pool.activation not in ("relu", "relu6"):
        raise GraphError(
            f"{pool}: maximum pooling ends in relu or relu6, with which padding by zeros is exact; "
            "add it, for it leaves as it is what was not negative before"
        )
    if pool["stride"] > pool["kernel"]:
        raise GraphError(f"{pool}: maximum pooling skips no pixels; want stride <= kernel")


def _check_average_pool(pool: Operator) -> None:
    if any(-size % pool["window"] > 1 for size in pool.inputs[0][1:]):
        raise GraphError(
            f"{pool}: not every runtime can cut more than one row off the last windows; "
            "take an input that they fit"
        )


def _check_skip(block: Operator) -> None:
    if block["skip"] and (
        block["skip"] > 1 or block["stride"] > 1 or block["out"] != block.inputs[0][0]
    ):
        raise GraphError(f"{block}: skip is 1 or 0, and 1 only where the output fits the input")


_CHECKS: Mapping[str, Callable[[Operator], None]] = {
    "add": _check_add,
    "average_pool": _check_average_pool,
    "max_pool": _check_max_pool,
    "mbconv": _check_skip,
}
"""What else an operator has to obey, beyond what is asked of all of them."""


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
    for name, value in operator.attributes:
        if value == 0 and name not in kind.optional:
            raise GraphError(f"{operator}: {name} is at least 1")
    if "kernel" in kind.attributes and operator["kernel"] % 2 == 0:
        raise GraphError(f"{operator}: only odd kernels are padded evenly")
    if operator.kind in _CHECKS:
        _CHECKS[operator.kind](operator)
    return kind


def output_shape(operator: Operator) -> Shape:
    """Return the shape of an operator's result, without the batch."""
    return kind_of(operator).output(operator)


def multiply_adds(operator: Operator) -> int:
    """Count the multiply-adds of one sample."""
    return kind_of(operator).multiply_adds(operator)


def is_block(operator: Operator) -> bool:
    """Tell whether an operator is made of others; one of an unknown kind is not."""
    return operator.kind in KINDS and KINDS[operator.kind].parts is not None


def parts(operator: Operator) -> tuple[Operator, ...]:
    """Return the operators that a block is made of, in execution order; any other as it is."""
    kind = kind_of(operator)
    return tuple(part for _, part in kind.parts(operator)) if kind.parts else (operator,)


def refuse_blocks(operators: Iterable[Operator], reader: str) -> None:
    """Raise GraphError if there is a block among operators, for a reader that knows none."""
    for operator in operators:
        if kind_of(operator).parts:
            raise GraphError(
                f"{reader} takes no block, and {operator} is one; "
                f"use what it is made of: {', '.join(map(str, parts(operator)))}"
            )
