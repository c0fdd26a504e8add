"""Models and their pieces, run in this process: what the cutting is judged by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from sartor.devices import LocalDevice
from sartor.profiler.dissect.on_device import cut_onnx_on
from sartor.profiler.dissect.onnx_inputs import Shapes, fix_inputs
from sartor.profiler.dissect.pieces import Piece
from sartor.profiler.dissect.tflite import cut_tflite, open_tflite

Array = NDArray[Any]
Values = dict[str, Array]
"""Tensors by name."""

TOLERANCES = {"float32": 1e-5, "float16": 2e-3, "int8": 1.01, "uint8": 1.01}
"""Largest difference over the largest wanted value; quantised: in steps. All others are equal."""


def cut_tflite_bytes(content: bytes) -> tuple[Piece, ...]:
    return cut_tflite(open_tflite(content))


def cut_onnx_bytes(
    content: bytes, folder: Path, shapes: Shapes | None = None
) -> tuple[tuple[Piece, ...], bytes]:
    """Cut by the runtime of this machine; return the model with fixed inputs as well."""
    fixed = fix_inputs(content, shapes or {})
    return cut_onnx_on(LocalDevice(folder / "device"), fixed), fixed


def run_tflite(content: bytes, inputs: Sequence[Array] | None = None) -> tuple[Values, Values]:
    """Run on inputs in order, by default on random ones; return inputs and outputs by name."""
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    details = interpreter.get_input_details()
    if inputs is None:
        rng = np.random.default_rng(0)
        inputs = [_random(detail["shape"], np.dtype(detail["dtype"]), rng) for detail in details]
    for detail, values in zip(details, inputs, strict=True):
        interpreter.set_tensor(detail["index"], values)
    interpreter.invoke()
    found = interpreter.get_output_details()
    outputs = {detail["name"]: interpreter.get_tensor(detail["index"]) for detail in found}
    return {d["name"]: x for d, x in zip(details, inputs, strict=True)}, outputs


def run_onnx(content: bytes, inputs: Sequence[Array] | None = None) -> tuple[Values, Values]:
    """Run on inputs in order, by default on random ones; return inputs and outputs by name."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    if inputs is None:
        rng = np.random.default_rng(0)
        inputs = [_random(one.shape, _dtype(one.type), rng) for one in session.get_inputs()]
    fed = {one.name: x for one, x in zip(session.get_inputs(), inputs, strict=True)}
    names = [one.name for one in session.get_outputs()]
    return fed, dict(zip(names, session.run(None, fed), strict=True))


def run_chain(pieces: Sequence[Piece], values: Values) -> Values:
    """Feed the pieces one after another; return all tensors that there are in the end."""
    values = dict(values)
    for piece in pieces:
        assert piece.problem == "", piece
        inputs = [values[tensor.name] for tensor in piece.inputs]
        run = run_tflite if piece.content[4:8] == b"TFL3" else run_onnx
        _, found = run(piece.content, inputs)
        for tensor, result in zip(piece.outputs, found.values(), strict=True):
            assert result.shape == tensor.shape
            assert result.dtype == tensor.dtype
            values[tensor.name] = result
    return values


def assert_same(found: Mapping[str, Array], wanted: Mapping[str, Array]) -> None:
    """Compare the outputs of a whole model with those of its chain of pieces."""
    assert wanted
    for name, want in wanted.items():
        tolerance = TOLERANCES.get(want.dtype.name, 0.0)
        scale = float(np.abs(want).max()) if want.dtype.kind == "f" else 1.0
        difference = np.abs(found[name].astype(np.float64) - want.astype(np.float64)).max()
        assert scale > 0
        assert difference <= tolerance * scale, name


def _random(shape: Sequence[int], dtype: np.dtype[Any], rng: np.random.Generator) -> Array:
    if dtype.kind == "f":
        return rng.standard_normal(shape, np.float32).astype(dtype)
    if dtype.kind == "b" or dtype.itemsize > 2:
        return rng.integers(0, 2, shape).astype(dtype)  # truth values and indices
    bounds = np.iinfo(dtype)
    return rng.integers(bounds.min, bounds.max, shape, dtype, endpoint=True)


def _dtype(name: str) -> np.dtype[Any]:
    text = name.removeprefix("tensor(").removesuffix(")")
    return np.dtype({"float": "float32", "double": "float64"}.get(text, text))
