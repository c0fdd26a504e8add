"""ONNX nodes in int8, in the form that ONNX Runtime's own quantisation gives them.

The operators stay those of floating point; around each tensor stand a QuantizeLinear and a
DequantizeLinear, which ONNX Runtime merges with the operator between them into one on integers
(QLinearConv, QLinearAdd, QGemm, …) where it has such a one. It has none for hard-swish and
hard-sigmoid, which therefore run in float32. ReLU and ReLU6 need no operator: they are what a range
that begins at 0 cannot hold.

Activations, the model's inputs and output among them, are uint8 and weights int8: on x86, ONNX
Runtime merges nothing that reads int8 (there it turns int8 into uint8 itself, but only between two
operators), and on ARM it has kernels for either.

Source: ONNX Runtime, Quantize ONNX Models, "ONNX quantization representation format" (QDQ).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from .quantisation import Quantisation, store_weights
from .ranges import Range

_CLIPPING = ("Relu", "Clip")
_WITH_WEIGHTS = ("Conv", "Gemm")
_TO_UNSIGNED = 128


@dataclass(frozen=True, slots=True)
class Int8Nodes:
    """Nodes and stored tensors of the quantised model."""

    nodes: list[NodeProto] = field(default_factory=list)
    constants: dict[str, TensorProto] = field(default_factory=dict)

    def store(self, name: str, values: NDArray[np.generic]) -> str:
        """Store a tensor once."""
        if name not in self.constants:
            # Not ascontiguousarray: that makes a vector of a scalar, and nothing is merged then.
            self.constants[name] = numpy_helper.from_array(np.asarray(values, order="C"), name)
        return name

    def add(self, kind: str, inputs: list[str], result: str, axis: int | None = None) -> str:
        """Append a node and return its result; ``axis`` is that of its scales."""
        node = helper.make_node(kind, inputs, [result], name=result)
        if axis is not None:
            node.attribute.append(helper.make_attribute("axis", axis))
        self.nodes.append(node)
        return result


def in_int8(
    nodes: Iterable[NodeProto],
    constants: Mapping[str, TensorProto],
    inputs: Iterable[str],
    ranges: Mapping[str, Range],
) -> Int8Nodes:
    """Quantise a model whose last node makes its output.

    Args:
        nodes: in execution order, each with one result; those of one activation read a result
            that nothing else reads.
        constants: float32 weights and biases by name.
        inputs: of the model.
        ranges: of each activation by name.

    Returns:
        Nodes and stored tensors. Inputs and output keep their names and are uint8; ``NAME/step``
        and ``NAME/zero`` say what is stored under ``NAME``.
    """
    kept = list(_without_clipping(nodes))
    model, stored = Int8Nodes(), {name: Quantisation.covering(one) for name, one in ranges.items()}
    for name in inputs:
        _dequantise(model, name, stored[name])
    for node in kept:
        read = node.input[0]
        real = [f"{name}/real" for name in node.input]
        if node.op_type in _WITH_WEIGHTS:
            real[1:] = _parameters(model, constants, tuple(node.input[1:]), stored[read])
        result = node.output[0]
        copied = NodeProto()
        copied.CopyFrom(node)
        copied.name = f"{result}/exact"
        del copied.input[:], copied.output[:]
        copied.input.extend(real)
        copied.output.append(f"{result}/exact")
        model.nodes.append(copied)
        model.add(
            "QuantizeLinear", [f"{result}/exact", *_affine(model, result, stored[result])], result
        )
        if node is not kept[-1]:
            _dequantise(model, result, stored[result])
    return model


def _without_clipping(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    """Let the node before a ReLU make its result."""
    before: NodeProto | None = None
    for node in nodes:
        if node.op_type in _CLIPPING and before is not None and node.input[0] == before.output[0]:
            merged = NodeProto()
            merged.CopyFrom(before)
            merged.output[0] = node.output[0]
            before = merged
            continue
        if before is not None:
            yield before
        before = node
    if before is not None:
        yield before


def _dequantise(model: Int8Nodes, name: str, stored: Quantisation) -> None:
    model.add("DequantizeLinear", [name, *_affine(model, name, stored)], f"{name}/real")


def _affine(model: Int8Nodes, name: str, stored: Quantisation) -> list[str]:
    return [
        model.store(f"{name}/step", np.array(stored.scale, np.float32)),
        model.store(f"{name}/zero", np.array(stored.zero_point + _TO_UNSIGNED, np.uint8)),
    ]


def _parameters(
    model: Int8Nodes,
    constants: Mapping[str, TensorProto],
    names: tuple[str, ...],
    read: Quantisation,
) -> list[str]:
    """Store weights (output channels first) and biases, and write what dequantises them."""
    weight, bias = (numpy_helper.to_array(constants[name]) for name in names)
    stored = store_weights(weight, bias, 0, read)

    def dequantised(
        name: str, values: NDArray[np.int8] | NDArray[np.int32], scales: NDArray[np.float32]
    ) -> str:
        zeros = np.zeros(len(scales), values.dtype)
        parts = [
            model.store(name, values),
            model.store(f"{name}/step", scales),
            model.store(f"{name}/zero", zeros),
        ]
        return model.add("DequantizeLinear", parts, f"{name}/real", axis=0)

    return [
        dequantised(names[0], stored.weight, stored.weight_scales),
        dequantised(names[1], stored.bias, stored.bias_scales),
    ]
