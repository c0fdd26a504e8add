"""ONNX models, cut into pieces: one for each kernel that ONNX Runtime makes of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from onnx import (
    AttributeProto,
    ModelProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
    helper,
    numpy_helper,
)

from .onnx_inputs import true_inputs
from .pieces import Piece, Tensor, signature_of

_OLDEST_IR_VERSION = 4
"""The first with which weights need not be listed among the inputs."""

_PARAMETERS: Mapping[str, tuple[int, ...]] = {
    "ConstantOfShape": (0,),
    "CumSum": (1,),
    "Expand": (1,),
    "OneHot": (1,),
    "Pad": (1, 2, 3),
    "Range": (0, 1, 2),
    "ReduceL1": (1,),
    "ReduceL2": (1,),
    "ReduceLogSum": (1,),
    "ReduceLogSumExp": (1,),
    "ReduceMax": (1,),
    "ReduceMean": (1,),
    "ReduceMin": (1,),
    "ReduceProd": (1,),
    "ReduceSum": (1,),
    "ReduceSumSquare": (1,),
    "Reshape": (1,),
    "Resize": (1, 2, 3),
    "Slice": (1, 2, 3, 4),
    "Split": (1,),
    "Squeeze": (1,),
    "Tile": (1,),
    "TopK": (1,),
    "Trilu": (1,),
    "Unsqueeze": (1,),
    "Upsample": (1,),
}
"""Inputs that say what is to be done rather than with what."""

_BLOCKED = "com.microsoft.nchwc"
"""The domain of operators on blocks of channels, each as wide as a vector of the processor."""

_BY_VALUE = frozenset({TensorProto.INT64, TensorProto.BOOL})
"""Types of stored tensors that are parameters rather than weights."""


@dataclass(frozen=True, slots=True)
class Observed:
    """A tensor as a run of the model showed it.

    Attributes:
        dtype: as NumPy calls it; in the runtime's words where it is no tensor of numbers.
        shape: None where it is no tensor of numbers.
        values: of a small tensor; None for others.
    """

    dtype: str
    shape: tuple[int, ...] | None
    values: list[object] | float | None = None


def with_all_outputs(content: bytes, fed: Sequence[str]) -> bytes:
    """Write a model that gives out every tensor that its nodes make.

    Args:
        content: of the optimised model.
        fed: names of the inputs that have to be fed; it may list others that nothing reads.
    """
    model = ModelProto.FromString(content)
    kept = [value for value in model.graph.input if value.name in set(fed)]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    shown = {value.name for value in model.graph.output}
    for node in model.graph.node:
        for name in node.output:
            if name and name not in shown:
                model.graph.output.add().name = name
    whole: bytes = model.SerializeToString()
    return whole


def fed_inputs(content: bytes) -> list[str]:
    """Name the inputs of a model that have to be fed."""
    return [value.name for value in true_inputs(ModelProto.FromString(content))]


def cut_onnx(content: bytes, observed: Mapping[str, Observed]) -> tuple[Piece, ...]:
    """Cut an ONNX model into one piece for each node.

    Args:
        content: of the model as the runtime optimised it.
        observed: every tensor that nodes make or that is put in, by name.

    Returns:
        The pieces in the order in which they run, each as often as it occurs.
    """
    model = ModelProto.FromString(content)
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    return tuple(_Cut(model, node, stored, observed).piece() for node in model.graph.node)


class _Cut:
    """One node on its way to be a piece."""

    def __init__(
        self,
        model: ModelProto,
        node: NodeProto,
        stored: Mapping[str, TensorProto],
        observed: Mapping[str, Observed],
    ) -> None:
        self._model, self._node, self._observed = model, node, observed
        self._stored = {name: stored[name] for name in node.input if name in stored}
        self._computed = self._parameters()
        self._stored |= self._computed
        flow = dict.fromkeys(name for name in node.input if name and name not in self._stored)
        self._inputs, self._outputs = list(flow), [name for name in node.output if name]

    def piece(self) -> Piece:
        """Make the piece."""
        problem = self._problem()
        blocked = self._node.domain == _BLOCKED
        return Piece(
            name=self._outputs[0] if self._outputs else self._node.name,
            kind=f"{self._node.op_type} (NCHWc)" if blocked else self._node.op_type,
            details=self._details(),
            inputs=self._tensors(self._inputs),
            outputs=self._tensors(self._outputs),
            signature=self._signature(),
            content=b"" if problem else self._content(),
            problem=problem,
        )

    def _parameters(self) -> dict[str, TensorProto]:
        """Store the parameters that the model computes, with the values that a run showed."""
        found = {}
        for position in _PARAMETERS.get(self._node.op_type, ()):
            name = self._node.input[position] if position < len(self._node.input) else ""
            seen = self._observed.get(name)
            if name not in self._stored and seen is not None and seen.values is not None:
                values = np.array(seen.values, seen.dtype).reshape(seen.shape or ())
                found[name] = numpy_helper.from_array(values, name)
        return found

    def _problem(self) -> str:
        """Say why the node cannot be a model of its own, if it cannot."""
        if any(attribute.type in _GRAPHS for attribute in self._node.attribute):
            return "it runs other parts of the model"
        for name in (*self._inputs, *self._outputs):
            seen = self._observed.get(name)
            if seen is None or seen.shape is None:
                what = seen.dtype if seen else "unknown to the runtime"
                return f"{name} is no tensor of numbers ({what})"
            if 0 in seen.shape:
                return f"{name} was empty when the model ran on made-up inputs"
        if self._computed and not self._inputs:
            return "it works on parameters alone, which takes next to no time"
        return ""

    def _tensors(self, names: Sequence[str]) -> tuple[Tensor, ...]:
        known = ((name, self._observed.get(name, Observed("unknown", None))) for name in names)
        return tuple(Tensor(name, seen.dtype, seen.shape or ()) for name, seen in known)

    def _details(self) -> str:
        attributes = {a.name: helper.get_attribute_value(a) for a in self._node.attribute}
        words = []
        if kernel := attributes.get("kernel_shape"):
            words.append(f"kernel {'×'.join(map(str, kernel))}")
        strides = attributes.get("strides", [])
        if any(stride != 1 for stride in strides):
            words.append(f"stride {'×'.join(map(str, dict.fromkeys(strides)))}")
        if (groups := attributes.get("group", 1)) != 1:
            words.append(f"{groups} groups")
        if activation := attributes.get("activation"):
            words.append(activation.decode(errors="replace").lower())
        return ", ".join(words)

    def _content(self) -> bytes:
        graph = helper.make_graph(
            [self._node],
            "piece",
            [self._value(name) for name in self._inputs],
            [self._value(name) for name in self._outputs],
            list(self._stored.values()),
        )
        used = {"", self._node.domain, "ai.onnx"}
        model = helper.make_model(
            graph,
            opset_imports=[entry for entry in self._model.opset_import if entry.domain in used],
            ir_version=max(_OLDEST_IR_VERSION, self._model.ir_version),
            functions=list(self._model.functions),
            producer_name="sartor",
        )
        content: bytes = model.SerializeToString()
        return content

    def _value(self, name: str) -> ValueInfoProto:
        seen = self._observed[name]
        dtype = helper.np_dtype_to_tensor_dtype(np.dtype(seen.dtype))
        return helper.make_tensor_value_info(name, dtype, seen.shape)

    def _signature(self) -> str:
        order: dict[str, int] = {}
        attributes = sorted((a.name, _hashed(a)) for a in self._node.attribute)
        kind = self._node.domain, self._node.op_type
        inputs = [self._facts(name, order) for name in self._node.input]
        outputs = [self._facts(name, order) for name in self._node.output]
        return signature_of(kind, attributes, inputs, outputs)

    def _facts(self, name: str, order: dict[str, int]) -> tuple[object, ...]:
        """List what is known of a tensor; ``order`` numbers tensors as they come."""
        number = order.setdefault(name, len(order)) if name else -1
        if name not in self._stored:
            seen = self._observed.get(name)
            return (number, seen and (seen.dtype, seen.shape))
        tensor = self._stored[name]
        values = numpy_helper.to_array(tensor) if tensor.data_type in _BY_VALUE else None
        known = "" if values is None else hashlib.sha256(values.tobytes()).hexdigest()
        return number, tensor.data_type, tuple(tensor.dims), known


_GRAPHS = frozenset({AttributeProto.GRAPH, AttributeProto.GRAPHS})


def _hashed(attribute: AttributeProto) -> str:
    content: bytes = attribute.SerializeToString(deterministic=True)
    return hashlib.sha256(content).hexdigest()
