"""A TFLite file in the making: tensors, constants and operators, packed at the end.

Source: TensorFlow Lite's ``schema.fbs``, version 3, by the classes that LiteRT ships for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

_ALIGNMENT_BYTES = 16
_DTYPES = {
    "float16": schema.TensorType.FLOAT16,
    "float32": schema.TensorType.FLOAT32,
    "int32": schema.TensorType.INT32,
    "int8": schema.TensorType.INT8,
}


@dataclass(frozen=True, slots=True)
class Affine:
    """What stored integers mean: ``real = scale * (stored - zero_point)``.

    Attributes:
        scales: one, or one for each index along ``axis``.
        zero_points: as many.
        axis: of the scales.
    """

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int = 0


class FlatModel:
    """Grows a TFLite model with one subgraph; tensors are addressed by index.

    Activations and weights are float32; a subclass for another data type stores them otherwise.
    """

    def __init__(self, description: str) -> None:
        self._tensors: list[schema.TensorT] = []
        self._operators: list[schema.OperatorT] = []
        self._codes: dict[int, int] = {}
        self._buffers: list[schema.BufferT] = [schema.BufferT()]
        self._constants: dict[tuple[str, tuple[int, ...], bytes, Affine | None], int] = {}
        self._metadata: list[schema.MetadataT] = []
        self._description = description

    def activation(self, name: str, shape: Sequence[int]) -> int:
        """Add a tensor that is computed at run time (batch included in ``shape``)."""
        return self._tensor(name, shape, "float32")

    def alike(self, _one: str, _other: str) -> bool:
        """Tell whether two activations, by their names, store numbers alike; pooling wants it."""
        return True

    def parameters(
        self,
        names: tuple[str, str],
        weight: NDArray[np.float32],
        bias: NDArray[np.float32],
        axis: int,  # noqa: ARG002 (a subclass needs it)
        read: int,  # noqa: ARG002
    ) -> list[int]:
        """Store the weights and biases of a kernel.

        Args:
            names: of the two tensors.
            weight: in TFLite's layout.
            bias: (out,).
            axis: of the output channels in ``weight``.
            read: the tensor of activations that the kernel reads.
        """
        return [self.constant(*pair) for pair in zip(names, (weight, bias), strict=True)]

    def factor(self, name: str, value: float) -> int:
        """Store one number by which activations are multiplied."""
        return self.constant(name, np.array([value], np.float32))

    def constant(self, name: str, values: NDArray[np.generic], affine: Affine | None = None) -> int:
        """Add a tensor that is stored in the file as it is; equal constants are stored once."""
        values = np.ascontiguousarray(values)
        content = values.tobytes()
        key = (values.dtype.str, values.shape, content, affine)
        if key not in self._constants:
            buffer = self._buffer(content)
            self._constants[key] = self._tensor(
                name, values.shape, values.dtype.name, affine, buffer
            )
        return self._constants[key]

    def note(self, name: str, content: bytes) -> None:
        """Add metadata that runtimes read."""
        metadata = schema.MetadataT()
        metadata.name, metadata.buffer = name.encode(), self._buffer(content)
        self._metadata.append(metadata)

    def operator(
        self,
        kind: str,
        inputs: Sequence[int],
        output: int,
        options: str | None = None,
        **fields: int,
    ) -> int:
        """Append an operator and return ``output``.

        Args:
            kind: a name in the schema's ``BuiltinOperator``, such as ``CONV_2D``.
            inputs: tensors that it reads.
            output: the tensor that it makes.
            options: a name in the schema's ``BuiltinOptions``.
            **fields: of those options.
        """
        operator = schema.OperatorT()
        code = getattr(schema.BuiltinOperator, kind)
        operator.opcodeIndex = self._codes.setdefault(code, len(self._codes))
        operator.inputs = np.array(inputs, np.int32)
        operator.outputs = np.array([output], np.int32)
        if options is not None:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, options)
            operator.builtinOptions = getattr(schema, f"{options}T")()
            vars(operator.builtinOptions).update(fields)
        self._operators.append(operator)
        return output

    def pack(self, inputs: Mapping[str, int], outputs: Mapping[str, int]) -> bytes:
        """Return the file, with the signature ``serving_default`` naming inputs and outputs."""
        subgraph = schema.SubGraphT()
        subgraph.name = b"main"
        subgraph.tensors, subgraph.operators = self._tensors, self._operators
        subgraph.inputs = np.array(list(inputs.values()), np.int32)
        subgraph.outputs = np.array(list(outputs.values()), np.int32)
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = b"serving_default", 0
        signature.inputs = [_named(*pair) for pair in inputs.items()]
        signature.outputs = [_named(*pair) for pair in outputs.items()]
        model = schema.ModelT()
        model.version, model.description = 3, self._description.encode()
        model.operatorCodes = [_operator_code(code) for code in self._codes]
        model.subgraphs, model.buffers, model.signatureDefs = [subgraph], self._buffers, [signature]
        model.metadata = self._metadata or None
        return packed(model)

    def _tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str,
        affine: Affine | None = None,
        buffer: int = 0,
    ) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.type, tensor.buffer = name.encode(), _DTYPES[dtype], buffer
        tensor.shape = np.array(shape, np.int32)
        if affine is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = np.array(affine.scales, np.float32)
            tensor.quantization.zeroPoint = np.array(affine.zero_points, np.int64)
            tensor.quantization.quantizedDimension = affine.axis
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def _buffer(self, content: bytes) -> int:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(content, np.uint8)
        self._buffers.append(buffer)
        return len(self._buffers) - 1


def packed(model: schema.ModelT) -> bytes:
    """Serialise a model as a TFLite file."""
    stored = sum(len(buffer.data) for buffer in model.buffers if buffer.data is not None)
    tensors = sum(len(subgraph.tensors) for subgraph in model.subgraphs)
    builder = _AlignedBuilder(stored + 4096 + 512 * tensors)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


class _AlignedBuilder(flatbuffers.Builder):  # type: ignore[misc]  # flatbuffers has no types
    """Aligns stored values as the schema demands; Python's object API does not by itself."""

    def CreateNumpyVector(self, x: NDArray[Any]) -> int:  # noqa: N802 (an override)
        if x.dtype == np.uint8:
            self.Prep(_ALIGNMENT_BYTES, x.nbytes)
        return int(super().CreateNumpyVector(x))


def _named(name: str, tensor: int) -> schema.TensorMapT:
    pair = schema.TensorMapT()
    pair.name, pair.tensorIndex = name.encode(), tensor
    return pair


def _operator_code(code: int) -> schema.OperatorCodeT:
    operator_code = schema.OperatorCodeT()
    operator_code.builtinCode = code
    operator_code.deprecatedBuiltinCode = min(code, 127)
    operator_code.version = 1
    return operator_code
