"""TFLite models, cut into pieces."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ...tables.errors import ModelFileError
from .pieces import Piece, Tensor, signature_of
from .tflite_groups import Group, groups_of
from .tflite_model import TfliteModel, made_by, options_of, read_by
from .tflite_parameters import parameters_of
from .tflite_slice import flow_of, sliced

_INTEGERS = frozenset({"int32", "int64", "bool"})
_CLAMPS = {1: "relu", 2: "relu −1…1", 3: "relu6", 4: "tanh", 5: "sign"}
"""The schema's ``ActivationFunctionType``, in words."""

_UNTIMED = {
    "resource": "it keeps something between runs",
    "variant": "it keeps something between runs",
    "string": "it works on text",
}


def open_tflite(content: bytes) -> TfliteModel:
    """Parse a TFLite model, and make sure that no input has a size that only its user knows.

    The batch is none of those: a batch of any size is one of 1.

    Raises:
        ModelFileError: the bytes are no TFLite model, or an input has such a size, which the
            runtime would silently take for 1.
    """
    model = TfliteModel(content)
    for number in map(int, model.parsed.subgraphs[0].inputs):
        signature = model.tensors[number].shapeSignature
        if signature is not None and any(size < 0 for size in signature[1:]):
            sizes = "×".join("?" if size < 0 else str(size) for size in signature)
            raise ModelFileError(
                f"the input {model.name(number)} may have any size ({sizes}), and a latency is of "
                "one; convert the model with fixed sizes"
            )
    return model


def cut_tflite(model: TfliteModel) -> tuple[Piece, ...]:
    """Cut a TFLite model, which its runtime takes, into what that runs one after another.

    Returns:
        The pieces in the order in which they run, each as often as it occurs.
    """
    return tuple(_piece(model, group) for group in groups_of(model))


def _piece(model: TfliteModel, group: Group) -> Piece:
    inputs, outputs = flow_of(model, group)
    problem = _problem(model, group)
    parameters: Mapping[int, NDArray[np.generic]] = {}
    if not problem:
        parameters, problem = parameters_of(model, group)
    inputs = [tensor for tensor in inputs if tensor not in parameters]
    return Piece(
        name=model.name(outputs[0]) if outputs else f"operator {group.main}",
        kind=" + ".join(model.kind(model.operators[number]) for number in group.running),
        details=_details(model, group),
        inputs=tuple(_tensor(model, tensor) for tensor in inputs),
        outputs=tuple(_tensor(model, tensor) for tensor in outputs),
        signature=_signature(model, group),
        content=b"" if problem else sliced(model, group.operators, inputs, outputs, parameters),
        problem=problem,
    )


def _tensor(model: TfliteModel, number: int) -> Tensor:
    return Tensor(model.name(number), model.dtype(number), model.shape(number))


def _problem(model: TfliteModel, group: Group) -> str:
    """Say why a group cannot be a model of its own, if it cannot."""
    for number in group.operators:
        operator = model.operators[number]
        if any("subgraph" in name.lower() for name in options_of(operator)):
            return "it runs other parts of the model"
        for tensor in filter(model.is_flow, (*read_by(operator), *made_by(operator))):
            if reason := _UNTIMED.get(model.dtype(tensor)):
                return reason
            if 0 in model.shape(tensor):
                return "its shapes are known only while the model runs"
    return ""


def _details(model: TfliteModel, group: Group) -> str:
    operator = model.operators[group.main]
    options, words = options_of(operator), []
    kernel: tuple[int, ...] = ()
    if model.kind(operator) in {"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"}:
        kernel = model.shape(int(operator.inputs[1]))[1:3]
    elif "filterHeight" in options:
        kernel = options["filterHeight"], options["filterWidth"]
    if kernel:
        words.append(f"kernel {'×'.join(map(str, kernel))}")
    strides = [options[name] for name in ("strideH", "strideW") if name in options]
    if any(stride != 1 for stride in strides):
        words.append(f"stride {'×'.join(map(str, dict.fromkeys(strides)))}")
    if (clamp := options.get("fusedActivationFunction")) in _CLAMPS:
        words.append(_CLAMPS[clamp])
    return ", ".join(words)


def _signature(model: TfliteModel, group: Group) -> str:
    """Hash all that may decide how long a group takes, which weights hardly do."""
    facts = []
    order: dict[int, int] = {}
    for number in group.operators:
        operator = model.operators[number]
        code = model.code(operator)
        custom = operator.customOptions
        facts.append(
            (
                model.kind(operator),
                code.version,
                sorted((name, _plain(value)) for name, value in options_of(operator).items()),
                None if custom is None else bytes(custom).hex(),
                [_facts(model, int(tensor), order) for tensor in operator.inputs],
                [_facts(model, int(tensor), order) for tensor in operator.outputs],
            )
        )
    return signature_of(facts)


def _facts(model: TfliteModel, number: int, order: dict[int, int]) -> tuple[object, ...]:
    """List what is known of a tensor; ``order`` numbers tensors as they come."""
    if number < 0:
        return ()
    tensor, dtype, stored = model.tensors[number], model.dtype(number), model.stored(number)
    quantised = tensor.quantization is not None and tensor.quantization.scale is not None
    value = ""
    if stored is not None and dtype in _INTEGERS and not quantised:
        value = hashlib.sha256(stored.tobytes()).hexdigest()
    return (
        order.setdefault(number, len(order)),
        dtype,
        model.shape(number),
        stored is not None,
        bool(tensor.isVariable),
        quantised,
        tensor.sparsity is not None,
        value,
    )


def _plain(value: object) -> object:
    """Turn an option into what its ``repr`` tells whole."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    return vars(value) if hasattr(value, "__dict__") else value
