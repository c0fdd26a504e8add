"""Framing: operators measured between neighbours, where a runtime treats them as one.

A runtime may keep tensors in a layout of its own, and merge an operator into the one before it.
ONNX Runtime does both. Alone in a model, a convolution stands between two conversions of layout
that a network does not have, hard-swish stays outside the convolution before it, and an addition,
which a network merges into a convolution, is an operator. So an operator is put between two
pointwise convolutions, from and to a few channels, and what those cost without it is subtracted::

    operator = framed(operator) − ½ frame(its input) − ½ frame(its output)

A frame is a pointwise convolution into a tensor and one out of it. Nobody knows how its time is
split between the two, nor needs to: were the first dearer by 2g, an operator would come out too
dear by g(its input) and too cheap by g(its output), and along a network, where one operator's
output is the next one's input, all g cancel. What a model pays once (its start, its input and
output) cancels in each difference.

An addition has two inputs, one of which nothing else waits for; its latency is what it adds to a
pointwise convolution that it follows, so that every tensor's g still appears once with each sign.
An operator on an image (fewer channels than a frame has) stands first in every network: there is no
frame before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .dtypes import graph_with_dtype
from .graph import Graph, GraphBuilder, single_operator_graph
from .kinds import output_shape
from .operator import Operator, Shape
from .subject import Call, Frame, Framed

FRAME_CHANNELS = 16
"""Of a frame's ends: one block of the widest layout (AVX-512), so converting it costs little."""


Part = Operator | Framed | Frame | Call
"""What a latency is made up of."""

_LITTLE_WORK = Operator("conv2d", ((8, 1, 1),), (("kernel", 1), ("out", 8), ("stride", 1)))
"""A convolution of 64 multiply-adds."""


@dataclass(frozen=True, slots=True)
class Framing:
    """How the latency of an operator follows from measurements of other things.

    Attributes:
        whole: what is measured for it.
        parts: what is subtracted, and how often.
    """

    whole: Part
    parts: Mapping[Part, float]


def framing(operator: Operator) -> Framing:
    """Tell what to measure for an operator in its frame.

    An operator whose result is no map (C, H, W), such as a classifier, stands by itself.
    """
    if len(output_shape(operator)) != len(operator.inputs[0]):
        return Framing(operator, {})
    if len(operator.inputs) > 1:
        return Framing(Framed(operator), {Framed(_before_addition(operator)): 1.0})
    shapes = [output_shape(operator)]
    if not _on_image(operator):
        shapes.append(operator.inputs[0])
    parts: dict[Part, float] = {}
    for shape in shapes:
        parts[Frame(shape)] = parts.get(Frame(shape), 0.0) + 0.5
    return Framing(Framed(operator), parts)


def subject_graph(subject: Part, dtype: str = "float32") -> Graph:
    """Build the model that is timed for a subject, with weights left to the writer.

    Args:
        subject: an operator, framed or not, a frame, or a call.
        dtype: of a frame or a call; an operator has one of its own.
    """
    if isinstance(subject, Operator):
        return single_operator_graph(subject)
    if isinstance(subject, Call):
        return graph_with_dtype(_call_graph(subject), dtype)
    if isinstance(subject, Frame):
        builder, tensor = _opened(str(subject), subject.shape)
        return graph_with_dtype(_closed(builder, tensor), dtype)
    framed = _framed_graph(str(subject), subject.operator)
    return graph_with_dtype(framed, subject.operator.dtype)


def _call_graph(call: Call) -> Graph:
    builder = GraphBuilder(str(call), _LITTLE_WORK.inputs[0])
    tensor = builder.input
    for index in range(call.operators):
        tensor = _add(builder, f"operator{index}", _LITTLE_WORK, tensor)
    return builder.graph()


def _framed_graph(name: str, operator: Operator) -> Graph:
    if _on_image(operator):
        builder = GraphBuilder(name, operator.inputs[0])
        tensor = builder.input
    else:
        builder, tensor = _opened(name, operator.inputs[0])
    inputs = [tensor]
    if len(operator.inputs) > 1:
        before = _before_addition(operator)
        inputs = [_add(builder, "before", before, tensor), tensor]
    return _closed(builder, _add(builder, "operator", operator, *inputs))


def _before_addition(operator: Operator) -> Operator:
    """Return the convolution that an addition follows in its frame."""
    shape = operator.inputs[0]
    attributes = (("kernel", 1), ("out", shape[0]), ("stride", 1))
    return Operator("conv2d", (shape,), attributes, dtype=operator.dtype)


def _on_image(operator: Operator) -> bool:
    return operator.inputs[0][0] < FRAME_CHANNELS


def _opened(name: str, shape: Shape) -> tuple[GraphBuilder, str]:
    channels, *size = shape
    builder = GraphBuilder(name, (FRAME_CHANNELS, *size))
    tensor = builder.add("opening", "conv2d", builder.input, kernel=1, out=channels, stride=1)
    return builder, tensor


def _closed(builder: GraphBuilder, tensor: str) -> Graph:
    builder.add("closing", "conv2d", tensor, kernel=1, out=FRAME_CHANNELS, stride=1)
    return builder.graph()


def _add(builder: GraphBuilder, name: str, operator: Operator, *inputs: str) -> str:
    attributes = dict(operator.attributes)
    return builder.add(name, operator.kind, *inputs, activation=operator.activation, **attributes)
