"""Operators of a TFLite model that run as one: what is timed together, because it runs together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .tflite_model import TfliteModel, made_by, options_of, read_by

_UNPACKING = frozenset({"DEQUANTIZE", "DENSIFY"})
"""Of a stored tensor they are done once, while the model is prepared, and take no time later."""

_CLAMPS = frozenset({"RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1"})
_CLAMPED = frozenset(
    {
        *("ADD", "AVERAGE_POOL_2D", "CONV_2D", "DEPTHWISE_CONV_2D", "DIV", "FULLY_CONNECTED"),
        *("MAX_POOL_2D", "MUL", "SUB", "TRANSPOSE_CONV"),
    }
)
"""Operators into which XNNPACK takes a clamp that alone reads their result."""

_PADDED = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D"})
"""Operators into which XNNPACK takes a padding with zeros that they alone read."""

_VALID = 1
"""The schema's ``Padding.VALID``."""


@dataclass(frozen=True, slots=True)
class Group:
    """Operators that run as one, by index and in the order in which they run.

    Attributes:
        unpacking: of stored tensors, done before the model runs.
        padding: in front of ``main``, if any.
        main: that gives the group its place among the others.
        clamp: behind ``main``, if any.
    """

    unpacking: tuple[int, ...]
    padding: tuple[int, ...]
    main: int
    clamp: tuple[int, ...]

    @property
    def running(self) -> tuple[int, ...]:
        """The operators that take time."""
        return (*self.padding, self.main, *self.clamp)

    @property
    def operators(self) -> tuple[int, ...]:
        """All operators."""
        return (*self.unpacking, *self.running)


def groups_of(model: TfliteModel) -> Iterator[Group]:
    """Sort the operators of a model into groups, in the order in which they run.

    Sources: XNNPACK's ``subgraph.c`` (fusion of clamps and of constant padding); LiteRT's
    ``dequantize.cc`` (stored tensors are dequantised once).
    """
    unpacking = _unpacking(model)
    paddings = {
        number: padding
        for number in range(len(model.operators))
        if (padding := _padding_of(model, number)) is not None
    }
    clamps = {
        number: clamp
        for number in range(len(model.operators))
        if (clamp := _clamp_of(model, number)) is not None
    }
    absorbed = {*unpacking, *paddings.values(), *clamps.values()}
    for number in range(len(model.operators)):
        if number in absorbed:
            continue
        before = (paddings[number],) if number in paddings else ()
        behind = (clamps[number],) if number in clamps else ()
        needed = _makers(model, (*before, number, *behind), unpacking)
        yield Group(needed, before, number, behind)


def _unpacking(model: TfliteModel) -> frozenset[int]:
    """Find the operators that unpack stored tensors for others."""
    found: set[int] = set()
    for number, operator in enumerate(model.operators):
        unpacked = model.kind(operator) in _UNPACKING and all(
            model.stored(tensor) is not None or model.makers.get(tensor) in found
            for tensor in read_by(operator)
        )
        if unpacked and model.outputs.isdisjoint(made_by(operator)):
            found.add(number)
    return frozenset(found)


def _makers(
    model: TfliteModel, operators: tuple[int, ...], among: frozenset[int]
) -> tuple[int, ...]:
    """Find the operators that make what others read, and what those read in turn."""
    found: set[int] = set()
    waiting = list(operators)
    while waiting:
        for tensor in read_by(model.operators[waiting.pop()]):
            maker = model.makers.get(tensor)
            if maker is not None and maker in among - found:
                found.add(maker)
                waiting.append(maker)
    return tuple(sorted(found))


def _padding_of(model: TfliteModel, number: int) -> int | None:
    """Return the padding that XNNPACK takes into a convolution."""
    operator = model.operators[number]
    if model.kind(operator) not in _PADDED or options_of(operator).get("padding") != _VALID:
        return None
    padding = _only_maker(model, read_by(operator)[0], frozenset({"PAD"}))
    if padding is None:
        return None
    amounts = model.stored(read_by(model.operators[padding])[1])
    if amounts is None:
        return None
    kind = model.dtype(read_by(model.operators[padding])[1])
    ends = np.frombuffer(amounts.tobytes(), kind).reshape(-1, 2)
    return padding if len(ends) == 4 and not ends[[0, 3]].any() else None


def _clamp_of(model: TfliteModel, number: int) -> int | None:
    """Return the clamp that XNNPACK takes into an operator."""
    operator = model.operators[number]
    if model.kind(operator) not in _CLAMPED:
        return None
    result = made_by(operator)[0]
    readers = model.readers.get(result, ())
    if len(readers) != 1 or result in model.outputs or model.dtype(result) != "float32":
        return None
    return readers[0] if model.kind(model.operators[readers[0]]) in _CLAMPS else None


def _only_maker(model: TfliteModel, tensor: int, kinds: frozenset[str]) -> int | None:
    """Return who makes a tensor for one reader alone, if it is of one of these kinds."""
    maker = model.makers.get(tensor)
    if maker is None or len(model.readers[tensor]) != 1 or tensor in model.outputs:
        return None
    return maker if model.kind(model.operators[maker]) in kinds else None
