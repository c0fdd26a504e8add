"""Models as the runtimes run them, behind one interface."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from .inputs import TENSOR_DTYPES, made_up

Array = NDArray[np.float32]


class Model(Protocol):
    """A loaded model whose inputs hold made-up values from the start."""

    def run(self) -> None:
        """Run one inference on whatever the inputs hold."""

    def refresh(self) -> None:
        """Write every input again, with the values that it holds."""

    def infer(self, batch: Array) -> Array:
        """Fill the only input, run, and return a copy of the only output."""


class Runtime(NamedTuple):
    """A runtime that this Python can import."""

    distribution: str
    package: Path
    load: Callable[[Path, int], Model]


def import_runtime(called: str) -> Runtime:
    """Import a runtime; ImportError when the device has none.

    Args:
        called: the host's name for it, and its options after a colon where it has any:
            ``onnxruntime:optimization=extended``.
    """
    name, _, options = called.partition(":")
    if name == "litert" and not options:
        return _import_litert()
    if name == "onnxruntime":
        return _import_onnxruntime(options.partition("optimization=")[2] or "all")
    raise ImportError(f"this agent knows no runtime {called!r}")


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


def _import_onnxruntime(optimization: str) -> Runtime:
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    module = importlib.import_module("onnxruntime")
    level = getattr(module.GraphOptimizationLevel, f"ORT_ENABLE_{optimization.upper()}", None)
    if level is None:
        raise ImportError(f"ONNX Runtime knows no optimization {optimization!r}")

    def load(path: Path, threads: int) -> Model:
        options = module.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        options.graph_optimization_level = level
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

    def refresh(self) -> None:
        for index in self._inputs:
            # A view, gone before the next run: LiteRT refuses to run while one is held.
            _rewrite(self._interpreter.tensor(index)())

    def infer(self, batch: Array) -> Array:
        self._interpreter.set_tensor(self._inputs[0], batch)
        self._interpreter.invoke()
        return np.array(self._interpreter.get_tensor(self._outputs[0]))


class _OnnxRuntimeModel:
    """Inputs and outputs are bound once, so that a run copies nothing."""

    def __init__(self, module: ModuleType, session: Any) -> None:  # noqa: ANN401 (no types)
        # A tensor made from an array has no memory of its own, and a binding keeps neither alive.
        self._session, self._binding = session, session.io_binding()
        self._inputs, self._tensors = [], []
        rng = np.random.default_rng(0)
        for value in session.get_inputs():
            self._inputs.append(
                made_up(value.name, value.shape, TENSOR_DTYPES.get(value.type), rng)
            )
            self._tensors.append(module.OrtValue.ortvalue_from_numpy(self._inputs[-1]))
            self._binding.bind_ortvalue_input(value.name, self._tensors[-1])
        for value in session.get_outputs():
            if value.type in TENSOR_DTYPES and _known(value.shape):
                dtype = TENSOR_DTYPES[value.type]
                tensor = module.OrtValue.ortvalue_from_shape_and_type(value.shape, dtype, "cpu")
                self._tensors.append(tensor)
                self._binding.bind_ortvalue_output(value.name, tensor)
            else:  # only a run tells its size
                self._binding.bind_output(value.name, "cpu")

    def run(self) -> None:
        self._session.run_with_iobinding(self._binding)

    def refresh(self) -> None:
        for array in self._inputs:
            _rewrite(array)

    def infer(self, batch: Array) -> Array:
        self._inputs[0][...] = batch
        self.run()
        return np.array(self._binding.get_outputs()[0].numpy())


def _rewrite(array: NDArray[Any]) -> None:
    """Write every byte of an array anew; its values stay as they are."""
    if array.size:
        content = array.reshape(-1).view(np.uint8)
        np.bitwise_or(content, content, out=content)


def _known(shape: Sequence[object]) -> bool:
    """Tell whether a shape is known before a run; one without axes may be a scalar's or not."""
    return bool(shape) and all(isinstance(size, int) and size >= 0 for size in shape)
