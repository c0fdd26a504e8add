"""A TFLite file in the making: tensors, constants and operators, packed at the end.

Source: TensorFlow Lite's ``schema.fbs``, version 3, by the classes that LiteRT ships for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

_ALIGNMENT_BYTES = 16
_DTYPES = {"float32": schema.TensorType.FLOAT32, "int32": schema.TensorType.INT32}


class FlatModel:
    """Grows a TFLite model with one subgraph; tensors are addressed by index."""

    def __init__(self, description: str) -> None:
        self._tensors: list[schema.TensorT] = []
        self._operators: list[schema.OperatorT] = []
        self._codes: dict[int, int] = {}
        self._buffers: list[schema.BufferT] = [schema.BufferT()]
        self._constants: dict[tuple[str, tuple[int, ...], bytes], int] = {}
        self._description = description

    def activation(self, name: str, shape: Sequence[int]) -> int:
        """Add a float tensor that is computed at run time (batch included in ``shape``)."""
        return self._tensor(name, shape, schema.TensorType.FLOAT32, buffer=0)

    def constant(self, name: str, values: NDArray[np.generic]) -> int:
        """Add a tensor that is stored in the file; equal constants are stored once."""
        values = np.ascontiguousarray(values)
        content = values.tobytes()
        key = (values.dtype.str, values.shape, content)
        if key not in self._constants:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(content, np.uint8)
            self._buffers.append(buffer)
            self._constants[key] = self._tensor(
                name, values.shape, _DTYPES[values.dtype.name], len(self._buffers) - 1
            )
        return self._constants[key]

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
        return packed(model)

    def _tensor(self, name: str, shape: Sequence[int], dtype: int, buffer: int) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.type, tensor.buffer = name.encode(), dtype, buffer
        tensor.shape = np.array(shape, np.int32)
        self._tensors.append(tensor)
        return len(self._tensors) - 1


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
