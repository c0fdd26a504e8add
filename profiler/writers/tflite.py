"""Graphs as TFLite files: channels last, no transposes, every operator fit for XNNPACK."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from ai_edge_litert.schema_py_generated import ActivationFunctionType, Padding
from numpy.typing import NDArray

from ...tables.dtypes import common_dtype
from ...tables.graph import Graph, Node, Weights
from ...tables.kinds import kind_of, output_shape, refuse_blocks
from ...tables.operator import Operator, Shape
from .flat_model import FlatModel
from .half_model import HalfModel
from .int8_model import Int8Model
from .ranges import activation_ranges
from .weights import node_weights, random_weights

WRITER_VERSION = 1
"""Part of a latency table's identity: raised with every change that can change a latency."""

_FUSED = {
    "none": ActivationFunctionType.NONE,
    "relu": ActivationFunctionType.RELU,
    "relu6": ActivationFunctionType.RELU6,
}
_WINDOWED = ("average_pool", "max_pool")
_ALONE = {"relu": "RELU", "relu6": "RELU6", "hswish": "HARD_SWISH"}


def tflite_bytes(graph: Graph, batch: int = 1) -> bytes:
    """Write a graph as a TFLite file; a graph without weights gets random ones.

    All its operators have one data type. ``float16`` stores weights in half precision
    (``half_model.py``); ``int8`` is integers throughout, inputs and output included, with made-up
    scales (``int8_model.py``).

    Inputs and outputs are (batch, height, width, channels) or (batch, channels), and carry the
    graph's names in the signature ``serving_default``. The same graph gives the same bytes.

    Raises:
        GraphError: there is a block in the graph; only what it is made of can be written.
    """
    refuse_blocks(graph.operators, "the writer of TFLite")
    weights = graph.weights or random_weights(graph, seed=0)
    model = _model(graph, weights)
    tensors = {
        name: model.activation(name, _channels_last(shape, batch)) for name, shape in graph.inputs
    }
    for node in graph.nodes:
        own = node_weights(weights, node.name, tuple(kind_of(node.operator).weights(node.operator)))
        inputs = tuple(tensors[name] for name in node.inputs)
        tensors[node.name] = _emit(_Site(model, node, inputs, own, batch))
    return model.pack(
        {name: tensors[name] for name, _ in graph.inputs}, {graph.output: tensors[graph.output]}
    )


def _model(graph: Graph, weights: Weights) -> FlatModel:
    description, dtype = f"sartor writer {WRITER_VERSION}", common_dtype(graph.operators)
    if dtype == "float16":
        return HalfModel(description)
    if dtype == "int8":
        return Int8Model(description, activation_ranges(graph, weights))
    return FlatModel(description)


@dataclass(frozen=True, slots=True)
class _Site:
    """One node and the place where it is written.

    Attributes:
        inputs: tensors that it reads.
        weights: its own, in PyTorch's layout.
    """

    model: FlatModel
    node: Node
    inputs: tuple[int, ...]
    weights: Weights
    batch: int

    @property
    def operator(self) -> Operator:
        return self.node.operator

    def result(self) -> int:
        """Add the tensor that carries the node's name and result."""
        shape = _channels_last(output_shape(self.operator), self.batch)
        return self.model.activation(self.node.name, shape)

    def activation(self, name: str, shape: Shape) -> int:
        """Add a tensor between the node's operators; ``shape`` as (C, H, W)."""
        return self.model.activation(f"{self.node.name}/{name}", _channels_last(shape, self.batch))

    def constant(self, name: str, values: NDArray[np.int32]) -> int:
        """Add a tensor that is stored in the file."""
        return self.model.constant(f"{self.node.name}/{name}", values)

    def parameters(
        self,
        weight: NDArray[np.float32],
        bias: NDArray[np.float32],
        read: int,
        prefix: str = "",
        axis: int = 0,
    ) -> list[int]:
        """Store weights in TFLite's layout and biases, for a kernel that reads ``read``."""
        names = (f"{self.node.name}/{prefix}weight", f"{self.node.name}/{prefix}bias")
        return self.model.parameters(names, weight, bias, axis, read)


def _emit(site: _Site) -> int:
    """Write a node, with its activation fused where TFLite can, and return its result."""
    kind, activation = site.operator.kind, site.operator.activation
    if _takes_in(site):
        return _EMIT[kind](site, site.result(), _FUSED[activation])
    linear = site.activation("linear", output_shape(site.operator))
    _EMIT[kind](site, linear, ActivationFunctionType.NONE)
    return site.model.operator(_ALONE[activation], [linear], site.result())


def _takes_in(site: _Site) -> bool:
    """Tell whether a node's operator in TFLite computes the activation, too."""
    kind, activation = site.operator.kind, site.operator.activation
    if activation == "none":
        return True
    if kind in _WINDOWED and not site.model.alike(site.node.inputs[0], site.node.name):
        return False
    return activation in _FUSED and kind != "global_average_pool"


def _conv2d(site: _Site, result: int, fused: int) -> int:
    weight = site.weights["weight"].transpose(0, 2, 3, 1)
    padded, padding = _padded(site)
    stride = site.operator["stride"]
    return site.model.operator(
        "CONV_2D",
        [padded, *site.parameters(weight, site.weights["bias"], padded)],
        result,
        "Conv2DOptions",
        padding=padding,
        strideH=stride,
        strideW=stride,
        fusedActivationFunction=fused,
    )


def _depthwise_conv2d(site: _Site, result: int, fused: int) -> int:
    weight = site.weights["weight"].transpose(1, 2, 3, 0)
    padded, padding = _padded(site)
    stride = site.operator["stride"]
    return site.model.operator(
        "DEPTHWISE_CONV_2D",
        [padded, *site.parameters(weight, site.weights["bias"], padded, axis=3)],
        result,
        "DepthwiseConv2DOptions",
        padding=padding,
        strideH=stride,
        strideW=stride,
        depthMultiplier=1,
        fusedActivationFunction=fused,
    )


def _padded(site: _Site) -> tuple[int, int]:
    """Pad a node's input by ``kernel // 2`` zeros on every side, as PyTorch does for convolutions.

    TFLite's SAME puts the odd row of padding behind, so with a stride over even sizes it would
    read other pixels. Then an explicit PAD stands before a VALID convolution; XNNPACK merges them.
    PyTorch's maximum pooling reads nothing beyond the edge. Zeros there are exact because ReLU
    follows, and unlike the lowest number (PADV2) they are something that XNNPACK can pad with.

    Returns:
        The tensor that the node's operator reads, and its padding.
    """
    channels, height, width = site.operator.inputs[0]
    kernel, stride = site.operator["kernel"], site.operator["stride"]
    margin = kernel // 2
    if all(_same_before(size, kernel, stride) == margin for size in (height, width)):
        return site.inputs[0], Padding.SAME
    pads = np.array([[0, 0], [margin, margin], [margin, margin], [0, 0]], np.int32)
    padded = site.activation("padded", (channels, height + 2 * margin, width + 2 * margin))
    inputs = [site.inputs[0], site.constant("pads", pads)]
    return site.model.operator("PAD", inputs, padded, "PadOptions"), Padding.VALID


def _same_before(size: int, kernel: int, stride: int) -> int:
    """Count the rows that SAME adds before the first one."""
    steps = math.ceil(size / stride) - 1
    return max(steps * stride + kernel - size, 0) // 2


def _dense(site: _Site, result: int, fused: int) -> int:
    channels, height, width = site.operator.inputs[0]
    out = site.operator["out"]
    # PyTorch flattens channels first, and here they lie last: the columns move.
    columns = site.weights["weight"].reshape(out, channels, height, width).transpose(0, 2, 3, 1)
    weight, read = columns.reshape(out, -1), site.inputs[0]
    return site.model.operator(
        "FULLY_CONNECTED",
        [read, *site.parameters(weight, site.weights["bias"], read)],
        result,
        "FullyConnectedOptions",
        fusedActivationFunction=fused,
    )


def _add(site: _Site, result: int, fused: int) -> int:
    return site.model.operator(
        "ADD", site.inputs, result, "AddOptions", fusedActivationFunction=fused
    )


def _pool(site: _Site, result: int) -> int:
    axes = site.constant("axes", np.array([1, 2], np.int32))
    return site.model.operator(
        "MEAN", [site.inputs[0], axes], result, "ReducerOptions", keepDims=True
    )


def _global_average_pool(site: _Site, result: int, _: int) -> int:
    return _pool(site, result)


def _max_pool(site: _Site, result: int, fused: int) -> int:
    padded, padding = _padded(site)
    kernel, stride = site.operator["kernel"], site.operator["stride"]
    return _windows(site, "MAX_POOL_2D", padded, result, fused, padding, kernel, stride)


def _average_pool(site: _Site, result: int, fused: int) -> int:
    """Average windows side by side: SAME pads behind the last ones, and counts no padding."""
    read, window = site.inputs[0], site.operator["window"]
    return _windows(site, "AVERAGE_POOL_2D", read, result, fused, Padding.SAME, window, window)


def _windows(
    site: _Site,
    kind: str,
    read: int,
    result: int,
    fused: int,
    padding: int,
    size: int,
    stride: int,
) -> int:
    return site.model.operator(
        kind,
        [read],
        result,
        "Pool2DOptions",
        padding=padding,
        strideH=stride,
        strideW=stride,
        filterHeight=size,
        filterWidth=size,
        fusedActivationFunction=fused,
    )


def _squeeze_excite(site: _Site, result: int, fused: int) -> int:
    """Pool, squeeze, expand, hard-sigmoid, scale.

    ``hard_sigmoid(x) = relu6(x + 3) / 6``: the 3 goes into the bias before it, which saves an
    operator over what converters write.
    """
    channels, middle = site.operator.inputs[0][0], site.operator["middle"]
    pooled = _pool(site, site.activation("pooled", (channels, 1, 1)))
    squeezed = site.activation("squeezed", (middle, 1, 1))
    _pointwise(
        site, pooled, "reduce", site.weights["reduce_bias"], squeezed, ActivationFunctionType.RELU
    )
    shifted_bias = site.weights["expand_bias"] + np.float32(3)
    sixfold = site.activation("sixfold", (channels, 1, 1))
    _pointwise(site, squeezed, "expand", shifted_bias, sixfold, ActivationFunctionType.RELU6)
    sixth = site.model.factor(f"{site.node.name}/sixth", 1 / 6)
    scale = site.model.operator(
        "MUL", [sixfold, sixth], site.activation("scale", (channels, 1, 1)), "MulOptions"
    )
    return site.model.operator(
        "MUL", [site.inputs[0], scale], result, "MulOptions", fusedActivationFunction=fused
    )


def _pointwise(
    site: _Site, read: int, part: str, bias: NDArray[np.float32], result: int, fused: int
) -> None:
    """Write one of squeeze-and-excite's convolutions over a single pixel."""
    weight = site.weights[f"{part}_weight"].transpose(0, 2, 3, 1)
    site.model.operator(
        "CONV_2D",
        [read, *site.parameters(weight, bias, read, prefix=f"{part}_")],
        result,
        "Conv2DOptions",
        padding=Padding.SAME,
        strideH=1,
        strideW=1,
        fusedActivationFunction=fused,
    )


def _channels_last(shape: Shape, batch: int) -> Shape:
    return (batch, *shape[1:], shape[0])


_EMIT: Mapping[str, Callable[[_Site, int, int], int]] = {
    "add": _add,
    "average_pool": _average_pool,
    "conv2d": _conv2d,
    "dense": _dense,
    "depthwise_conv2d": _depthwise_conv2d,
    "global_average_pool": _global_average_pool,
    "max_pool": _max_pool,
    "squeeze_excite": _squeeze_excite,
}
"""Writes a node's operators between its inputs and a given result, with a fused activation."""
