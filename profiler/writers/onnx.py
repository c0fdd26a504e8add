"""Graphs as ONNX files: channels first, operators that ONNX Runtime fuses by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from ...tables.dtypes import common_dtype
from ...tables.graph import Graph, Node, Weights
from ...tables.kinds import kind_of, refuse_blocks
from ...tables.operator import Operator, Shape
from .onnx_int8 import in_int8
from .ranges import activation_ranges
from .weights import node_weights, random_weights

WRITER_VERSION = 1
"""Part of a latency table's identity: raised with every change that can change a latency."""

_OPSET = 17
"""The oldest with which every operator used here has its present meaning, and widely supported."""

_IR_VERSION = 9
_TYPES = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "int8": TensorProto.UINT8}
_Attribute = int | float | list[int]
_ACTIVATIONS: Mapping[str, str] = {"relu": "Relu", "relu6": "Clip", "hswish": "HardSwish"}


def onnx_bytes(graph: Graph, batch: int = 1) -> bytes:
    """Write a graph as an ONNX file; a graph without weights gets random ones.

    Inputs and outputs are (batch, channels, height, width) or (batch, channels), under the
    graph's names. The same graph gives the same bytes.

    All operators of the graph have one data type. ``float16`` is half precision throughout, inputs
    and output included; ``int8`` is what ``onnx_int8.py`` says, with made-up scales.

    Raises:
        GraphError: there is a block in the graph; only what it is made of can be written.
    """
    refuse_blocks(graph.operators, "the writer of ONNX")
    dtype = common_dtype(graph.operators)
    weights = graph.weights or random_weights(graph, seed=0)
    model = _Model("float16" if dtype == "float16" else "float32")
    for node in graph.nodes:
        own = node_weights(weights, node.name, tuple(kind_of(node.operator).weights(node.operator)))
        _emit(_Site(model, node, own))
    nodes, constants = model.nodes, model.constants
    if dtype == "int8":
        ranges = activation_ranges(graph, weights)
        stored = in_int8(nodes, constants, (name for name, _ in graph.inputs), ranges)
        nodes, constants = stored.nodes, stored.constants
    shapes = graph.shapes
    proto: ModelProto = helper.make_model(
        helper.make_graph(
            nodes,
            graph.name,
            [_value(name, shape, batch, dtype) for name, shape in graph.inputs],
            [_value(graph.output, shapes[graph.output], batch, dtype)],
            list(constants.values()),
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="sartor",
        producer_version=str(WRITER_VERSION),
    )
    content: bytes = proto.SerializeToString(deterministic=True)
    return content


@dataclass(frozen=True, slots=True)
class _Model:
    """Nodes and stored tensors of the file in the making.

    Attributes:
        dtype: of all numbers, ``float32`` or ``float16``.
    """

    dtype: str
    nodes: list[NodeProto] = field(default_factory=list)
    constants: dict[str, TensorProto] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Site:
    """One node and the place where it is written.

    Attributes:
        weights: its own, in PyTorch's layout.
    """

    model: _Model
    node: Node
    weights: Weights

    @property
    def operator(self) -> Operator:
        return self.node.operator

    def constant(self, name: str, values: NDArray[np.float32], scope: str | None = None) -> str:
        """Store a tensor once under its scope, by default the node's name."""
        full = f"{self.node.name if scope is None else scope}.{name}"
        if full not in self.model.constants:
            stored = np.ascontiguousarray(values, self.model.dtype)
            self.model.constants[full] = numpy_helper.from_array(stored, full)
        return full

    def weight(self, name: str) -> str:
        """Store one of the node's weights as it is."""
        return self.constant(name, self.weights[name])

    def add(self, kind: str, inputs: list[str], result: str, **attributes: _Attribute) -> str:
        """Append an ONNX operator and return ``result``."""
        node = helper.make_node(kind, inputs, [result], name=result)
        node.attribute.extend(helper.make_attribute(*pair) for pair in attributes.items())
        self.model.nodes.append(node)
        return result

    def between(self, name: str) -> str:
        """Name a tensor between the node's operators."""
        return f"{self.node.name}/{name}"


def _emit(site: _Site) -> None:
    activation = site.operator.activation
    if activation == "none":
        _EMIT[site.operator.kind](site, site.node.name)
        return
    inputs = [site.between("linear")]
    _EMIT[site.operator.kind](site, inputs[0])
    if activation == "relu6":
        inputs += [
            site.constant("zero", np.array(0, np.float32), scope="relu6"),
            site.constant("six", np.array(6, np.float32), scope="relu6"),
        ]
    site.add(_ACTIVATIONS[activation], inputs, site.node.name)


def _convolution(site: _Site, result: str, groups: int) -> None:
    kernel, stride = site.operator["kernel"], site.operator["stride"]
    site.add(
        "Conv",
        [site.node.inputs[0], site.weight("weight"), site.weight("bias")],
        result,
        kernel_shape=[kernel, kernel],
        strides=[stride, stride],
        pads=[kernel // 2] * 4,
        group=groups,
    )


def _conv2d(site: _Site, result: str) -> None:
    _convolution(site, result, groups=1)


def _depthwise_conv2d(site: _Site, result: str) -> None:
    _convolution(site, result, groups=site.operator.inputs[0][0])


def _dense(site: _Site, result: str) -> None:
    flat = site.add("Flatten", [site.node.inputs[0]], site.between("flat"), axis=1)
    site.add("Gemm", [flat, site.weight("weight"), site.weight("bias")], result, transB=1)


def _add(site: _Site, result: str) -> None:
    site.add("Add", list(site.node.inputs), result)


def _global_average_pool(site: _Site, result: str) -> None:
    site.add("GlobalAveragePool", [site.node.inputs[0]], result)


def _max_pool(site: _Site, result: str) -> None:
    kernel, stride = site.operator["kernel"], site.operator["stride"]
    site.add(
        "MaxPool",
        [site.node.inputs[0]],
        result,
        kernel_shape=[kernel, kernel],
        strides=[stride, stride],
        pads=[kernel // 2] * 4,
    )


def _average_pool(site: _Site, result: str) -> None:
    """Average windows side by side; the last ones are padded, and count no padding."""
    window = site.operator["window"]
    short = [-size % window for size in site.operator.inputs[0][1:]]
    site.add(
        "AveragePool",
        [site.node.inputs[0]],
        result,
        kernel_shape=[window, window],
        strides=[window, window],
        pads=[0, 0, *short],
        count_include_pad=0,
    )


def _squeeze_excite(site: _Site, result: str) -> None:
    tensor = site.add("GlobalAveragePool", [site.node.inputs[0]], site.between("pooled"))
    tensor = site.add(
        "Conv",
        [tensor, site.weight("reduce_weight"), site.weight("reduce_bias")],
        site.between("reduce"),
        kernel_shape=[1, 1],
    )
    tensor = site.add("Relu", [tensor], site.between("squeezed"))
    tensor = site.add(
        "Conv",
        [tensor, site.weight("expand_weight"), site.weight("expand_bias")],
        site.between("expand"),
        kernel_shape=[1, 1],
    )
    tensor = site.add("HardSigmoid", [tensor], site.between("scale"), alpha=1 / 6, beta=0.5)
    site.add("Mul", [site.node.inputs[0], tensor], result)


def _value(name: str, shape: Shape, batch: int, dtype: str) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, _TYPES[dtype], [batch, *shape])


_EMIT: Mapping[str, Callable[[_Site, str], None]] = {
    "add": _add,
    "average_pool": _average_pool,
    "conv2d": _conv2d,
    "dense": _dense,
    "depthwise_conv2d": _depthwise_conv2d,
    "global_average_pool": _global_average_pool,
    "max_pool": _max_pool,
    "squeeze_excite": _squeeze_excite,
}
"""Writes a node's operators, the last of which makes the tensor of the given name."""
