"""What ONNX Runtime makes of a model: the kernels that run, and the tensors between them.

Run on the device as ``python -m sartor_agent.kernels TASK MODEL RESULT``, because the layout and
the fusions depend on its processor. It needs what the agent needs.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from .inputs import TENSOR_DTYPES, made_up

MAX_VALUES = 64
"""Tensors of up to so many numbers are described with their values: shapes, axes, and the like."""


def optimise(model: Path, result: Path) -> None:
    """Write the model as it is run, every node a kernel."""
    session(model, optimized_model_filepath=str(result))


def observe(model: Path, result: Path) -> None:
    """Run the model as it stands; write the dtype and shape of inputs and outputs by name, as JSON.

    A small one has its values, too; what is no tensor of numbers has only its type as ``dtype``.
    """
    onnxruntime = importlib.import_module("onnxruntime")
    level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    loaded = session(model, graph_optimization_level=level)
    rng = np.random.default_rng(0)
    feeds = {
        value.name: onnxruntime.OrtValue.ortvalue_from_numpy(
            made_up(value.name, value.shape, TENSOR_DTYPES.get(value.type), rng)
        )
        for value in loaded.get_inputs()
    }
    names = [value.name for value in loaded.get_outputs()]
    found = {**feeds, **dict(zip(names, loaded.run_with_ort_values(names, feeds)))}  # noqa: B905
    result.write_text(json.dumps({name: _described(value) for name, value in found.items()}))


def session(model: Path, **options: object) -> Any:  # noqa: ANN401 (ONNX Runtime has no types)
    """Load a model with one thread and the given options."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    onnxruntime = importlib.import_module("onnxruntime")
    chosen = onnxruntime.SessionOptions()
    chosen.intra_op_num_threads, chosen.log_severity_level = 1, 3
    for name, value in options.items():
        setattr(chosen, name, value)
    return onnxruntime.InferenceSession(str(model), chosen, providers=["CPUExecutionProvider"])


def _described(value: Any) -> dict[str, object]:  # noqa: ANN401
    dtype = TENSOR_DTYPES.get(value.data_type())
    if dtype is None or not value.has_value():
        return {"dtype": value.data_type()}
    described: dict[str, object] = {"dtype": dtype, "shape": list(value.shape())}
    if np.prod(value.shape()) <= MAX_VALUES:
        described["values"] = value.numpy().tolist()
    return described


if __name__ == "__main__":
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        {"optimise": optimise, "observe": observe}[sys.argv[1]](
            Path(sys.argv[2]), Path(sys.argv[3])
        )
    except Exception as error:  # noqa: BLE001 (a runtime may raise anything)
        sys.exit(f"{type(error).__name__}: {error}")
