"""Models as the runtimes run them, behind one interface."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .inputs import TENSOR_DTYPES, made_up

Array = NDArray[np.float32]


class Model(Protocol):
    """A loaded model whose inputs hold made-up values from the start."""

    def run(self) -> None:
        """Run one inference on whatever the inputs hold."""

    def infer(self, batch: Array) -> Array:
        """Fill the only input, run, and return a copy of the only output."""


class Runtime(NamedTuple):
    """A runtime that this Python can import."""

    distribution: str
    package: Path
    load: Callable[[Path, int], Model]


def import_runtime(name: str) -> Runtime:
    """Import a runtime by the host's name for it; ImportError when the device has none."""
    if name == "litert":
        return _import_litert()
    if name == "onnxruntime":
        return _import_onnxruntime()
    raise ImportError(f"this agent knows no runtime {name!r}")


def _import_litert() -> Runtime:
    try:
        module = importlib.import_module("ai_edge_litert.interpreter")
        distribution = "ai-edge-litert"
    except ImportError:
        # The older name of the same interpreter, which old devices still carry.
        module = importlib.import_module("tflite_runtime.interpreter")
        distribution = "tflite-runtime"

    def load(path: Path, threads: int) -> Model:
        return _LiteRtModel(module.Interpreter(str(path), num_threads=threads))

    return Runtime(distribution, _folder(module), load)


def _import_onnxruntime() -> Runtime:
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    module = importlib.import_module("onnxruntime")

    def load(path: Path, threads: int) -> Model:
        options = module.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        session = module.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return _OnnxRuntimeModel(module, session)

    return Runtime("onnxruntime", _folder(module), load)


def _folder(module: ModuleType) -> Path:
    return Path(str(module.__file__)).resolve().parent


class _LiteRtModel:
    def __init__(self, interpreter: Any) -> None:  # noqa: ANN401 (LiteRT has no types)
        self._interpreter = interpreter
        interpreter.allocate_tensors()
        self._inputs = [detail["index"] for detail in interpreter.get_input_details()]
        self._outputs = [detail["index"] for detail in interpreter.get_output_details()]
        rng = np.random.default_rng(0)
        for detail in interpreter.get_input_details():
            values = made_up(detail["name"], detail["shape"], detail["dtype"], rng)
            interpreter.set_tensor(detail["index"], values)
        self.run: Callable[[], None] = interpreter.invoke

    def infer(self, batch: Array) -> Array:
        self._interpreter.set_tensor(self._inputs[0], batch)
        self._interpreter.invoke()
        return np.array(self._interpreter.get_tensor(self._outputs[0]))


class _OnnxRuntimeModel:
    """Inputs and outputs are bound once, so that a run copies nothing."""

    def __init__(self, module: ModuleType, session: Any) -> None:  # noqa: ANN401 (no types)
        def tensor(shape: Sequence[int], dtype: DTypeLike) -> Any:  # noqa: ANN401
            # It has memory of its own: a binding keeps no array alive.
            return module.OrtValue.ortvalue_from_shape_and_type(shape, dtype, "cpu")

        self._session, self._binding = session, session.io_binding()
        self._inputs, self._outputs = [], []
        rng = np.random.default_rng(0)
        for value in session.get_inputs():
            values = made_up(value.name, value.shape, TENSOR_DTYPES.get(value.type), rng)
            self._inputs.append(tensor(values.shape, values.dtype))
            self._inputs[-1].update_inplace(values)
            self._binding.bind_ortvalue_input(value.name, self._inputs[-1])
        for value in session.get_outputs():
            if value.type in TENSOR_DTYPES and _known(value.shape):
                self._outputs.append(tensor(value.shape, TENSOR_DTYPES[value.type]))
                self._binding.bind_ortvalue_output(value.name, self._outputs[-1])
            else:  # only a run tells its size
                self._binding.bind_output(value.name, "cpu")

    def run(self) -> None:
        self._session.run_with_iobinding(self._binding)

    def infer(self, batch: Array) -> Array:
        self._inputs[0].update_inplace(batch)
        self.run()
        return np.array(self._binding.get_outputs()[0].numpy())


def _known(shape: Sequence[object]) -> bool:
    """Tell whether a shape is known before a run; one without axes may be a scalar's or not."""
    return bool(shape) and all(isinstance(size, int) and size >= 0 for size in shape)
