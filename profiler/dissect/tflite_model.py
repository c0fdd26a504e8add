"""A TFLite file as values: its main subgraph, with whatever cutting asks about it."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from ...tables.errors import ModelFileError

_DTYPES: dict[int, str] = {
    value: name.lower() for name, value in vars(schema.TensorType).items() if isinstance(value, int)
}
_KINDS: dict[int, str] = {
    value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)
}
_DAMAGE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, struct.error)
"""What the schema's classes raise over bytes that they cannot make sense of."""


class TfliteModel:
    """A parsed TFLite file. Tensors and operators are named by their index.

    Attributes:
        parsed: the file, as the schema's classes.
        tensors: of the main subgraph.
        operators: of the main subgraph, in the order in which they run.
        outputs: tensors that the model gives out.

    Raises:
        ModelFileError: the bytes are no TFLite model.

    Source: TensorFlow Lite's ``schema.fbs``, version 3.
    """

    def __init__(self, content: bytes) -> None:
        try:
            self.parsed = schema.ModelT.InitFromPackedBuf(content, 0)
            main = self.parsed.subgraphs[0]
            self.tensors: list[schema.TensorT] = main.tensors
            self.operators: list[schema.OperatorT] = main.operators or []
            self.outputs = frozenset(map(int, main.outputs))
            self._inputs = frozenset(map(int, main.inputs))
            self._buffers = [self.parsed.buffers[tensor.buffer] for tensor in self.tensors]
            for operator in self.operators:
                self.code(operator)
        except _DAMAGE as error:
            raise ModelFileError(
                f"the model is damaged, as parsing it shows: {error}; fetch it again"
            ) from error
        self._content = content

    def kind(self, operator: schema.OperatorT) -> str:
        """Return the schema's name of an operator; of a custom one, the code that it carries."""
        code = self.code(operator)
        number = max(code.builtinCode, code.deprecatedBuiltinCode)
        kind = _KINDS.get(number, f"operator {number}")
        custom = _text(code.customCode)
        return f"{kind} {custom}" if kind == "CUSTOM" and custom else kind

    def code(self, operator: schema.OperatorT) -> schema.OperatorCodeT:
        """Return an operator's code, with its version."""
        return self.parsed.operatorCodes[operator.opcodeIndex]

    def stored(self, tensor: int) -> NDArray[np.uint8] | None:
        """Return the bytes of a tensor that the file holds, or None for any other."""
        buffer = self._buffers[tensor]
        if buffer.offset > 1:  # beyond what a flatbuffer can address, it stands behind it
            end = buffer.offset + buffer.size
            return np.frombuffer(self._content[buffer.offset : end], np.uint8)
        data: NDArray[np.uint8] | None = buffer.data
        return data

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Return a tensor's shape; that of a scalar is empty."""
        shape = self.tensors[tensor].shape
        return () if shape is None else tuple(map(int, shape))

    def dtype(self, tensor: int) -> str:
        """Return a tensor's type as NumPy calls it, where NumPy has it."""
        return _DTYPES.get(self.tensors[tensor].type, "unknown")

    def name(self, tensor: int) -> str:
        """Name a tensor so that no other of the model has the name."""
        name = _text(self.tensors[tensor].name)
        return name if self._names[name] == 1 and name else f"{name}#{tensor}"

    def is_flow(self, tensor: int) -> bool:
        """Tell whether a tensor is computed or put in, rather than stored or kept between runs."""
        return tensor in self._inputs or tensor in self.makers

    @cached_property
    def makers(self) -> Mapping[int, int]:
        """The operator that makes a tensor, by tensor."""
        made = (
            (tensor, number) for number, op in enumerate(self.operators) for tensor in made_by(op)
        )
        return dict(made)

    @cached_property
    def readers(self) -> Mapping[int, tuple[int, ...]]:
        """The operators that read a tensor, by tensor."""
        found: dict[int, tuple[int, ...]] = {}
        for number, operator in enumerate(self.operators):
            for tensor in read_by(operator):
                found[tensor] = (*found.get(tensor, ()), number)
        return found

    @cached_property
    def _names(self) -> Counter[str]:
        return Counter(_text(tensor.name) for tensor in self.tensors)


def read_by(operator: schema.OperatorT) -> list[int]:
    """List the tensors that an operator reads; optional ones that it does without are left out."""
    return _present(operator.inputs)


def made_by(operator: schema.OperatorT) -> list[int]:
    """List the tensors that an operator makes."""
    return _present(operator.outputs)


def options_of(operator: schema.OperatorT) -> dict[str, Any]:
    """Return an operator's options by name; custom ones are not told apart."""
    found: dict[str, Any] = {}
    for options in (operator.builtinOptions, operator.builtinOptions2):
        found.update({} if options is None else vars(options))
    return found


def _text(stored: bytes | None) -> str:
    return (stored or b"").decode(errors="replace")


def _present(tensors: Iterable[int] | None) -> list[int]:
    return [] if tensors is None else [int(tensor) for tensor in tensors if tensor >= 0]
