"""Some operators of a TFLite model as a TFLite file of their own."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from ..writers.flat_model import packed
from .tflite_groups import Group
from .tflite_model import TfliteModel, made_by, read_by

_NOTHING = 0
"""The buffer that holds nothing, by the schema's convention."""


def sliced(
    model: TfliteModel,
    operators: Sequence[int],
    inputs: Sequence[int],
    outputs: Sequence[int],
    parameters: Mapping[int, NDArray[np.generic]],
) -> bytes:
    """Write a file with some operators of a model, and with what they read.

    Args:
        model: to take from.
        operators: by index, in the order in which they run.
        inputs: tensors that are put in.
        outputs: tensors that are given out.
        parameters: values of tensors that the model computes and the slice has stored.
    """
    work = _Slice(model, parameters)
    subgraph = schema.SubGraphT()
    subgraph.name = b"main"
    subgraph.inputs = work.tensors(inputs)
    subgraph.operators = [work.operator(model.operators[number]) for number in operators]
    subgraph.outputs = work.tensors(outputs)
    subgraph.tensors = work.kept
    whole = schema.ModelT()
    whole.version, whole.description = 3, b"a piece, cut by sartor"
    whole.subgraphs, whole.buffers, whole.operatorCodes = [subgraph], work.buffers, work.codes
    return packed(whole)


class _Slice:
    """Tensors, buffers and codes that a slice takes along, under new numbers.

    Attributes:
        kept: the tensors, in their new order.
        buffers: theirs.
        codes: of the operators.
    """

    def __init__(self, model: TfliteModel, parameters: Mapping[int, NDArray[np.generic]]) -> None:
        self._model, self._parameters = model, parameters
        self._tensors: dict[int, int] = {}
        self._codes: dict[int, int] = {}
        self.kept: list[schema.TensorT] = []
        self.buffers: list[schema.BufferT] = [schema.BufferT()]
        self.codes: list[schema.OperatorCodeT] = []

    def tensors(self, numbers: Sequence[int] | NDArray[np.int32]) -> NDArray[np.int32]:
        """Take tensors along; one that an operator does without stays −1."""
        found = [self._tensor(int(number)) if number >= 0 else -1 for number in numbers]
        return np.array(found, np.int32)

    def operator(self, original: schema.OperatorT) -> schema.OperatorT:
        """Take an operator along, with all its tensors."""
        operator = copy.copy(original)
        operator.debugMetadataIndex = -1
        operator.opcodeIndex = self._code(original.opcodeIndex)
        for role in ("inputs", "outputs", "intermediates"):
            if (numbers := getattr(original, role)) is not None:
                setattr(operator, role, self.tensors(numbers))
        return operator

    def _code(self, number: int) -> int:
        if number not in self._codes:
            self._codes[number] = len(self.codes)
            self.codes.append(self._model.parsed.operatorCodes[number])
        return self._codes[number]

    def _tensor(self, number: int) -> int:
        if number in self._tensors:
            return self._tensors[number]
        original = self._model.tensors[number]
        tensor = copy.copy(original)
        # What is computed has the shape that the file shows, and no other.
        tensor.shapeSignature = None
        tensor.buffer = self._buffer(number)
        if number in self._parameters:
            tensor.shape = np.array(self._parameters[number].shape, np.int32)
        self._tensors[number] = len(self.kept)
        self.kept.append(tensor)
        details = None if tensor.quantization is None else tensor.quantization.details
        if hasattr(details, "scales"):  # scales of blocks are tensors themselves
            tensor.quantization = copy.copy(tensor.quantization)
            tensor.quantization.details = copy.copy(details)
            for role in ("scales", "zeroPoints"):
                if (other := getattr(details, role)) > 0:
                    setattr(tensor.quantization.details, role, self._tensor(other))
        return self._tensors[number]

    def _buffer(self, number: int) -> int:
        stored = self._model.stored(number)
        if number in self._parameters:
            stored = np.frombuffer(self._parameters[number].tobytes(), np.uint8)
        if stored is None:
            return _NOTHING
        buffer = schema.BufferT()
        buffer.data = stored
        self.buffers.append(buffer)
        return len(self.buffers) - 1


def flow_of(model: TfliteModel, group: Group) -> tuple[list[int], list[int]]:
    """List the tensors that flow into a group and those that flow out, each once."""
    inside = set(group.operators)
    own = {tensor for number in inside for tensor in made_by(model.operators[number])}
    read = [tensor for number in group.operators for tensor in read_by(model.operators[number])]
    made = [tensor for number in group.running for tensor in made_by(model.operators[number])]
    inputs = [tensor for tensor in dict.fromkeys(read) if model.is_flow(tensor)]
    return [tensor for tensor in inputs if tensor not in own], [
        tensor
        for tensor in made
        if tensor in model.outputs
        or not model.readers.get(tensor)  # nobody reads it, but the runtime makes it
        or not inside.issuperset(model.readers[tensor])
    ]
