"""Models as the runtimes run them, behind one interface."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from .ballast import Ballast, HostBallast
from .inputs import TENSOR_DTYPES, made_up

Array = NDArray[np.float32]


class Model(Protocol):
    """A loaded model whose inputs hold made-up values from the start."""

    def run(self) -> int | None:
        """Run one inference on whatever the inputs hold, to its end.

        Returns:
            How long it took in nanoseconds, by a clock of the processor that ran it, where that
            has one; None where the caller's clock has to do.
        """

    def refresh(self) -> None:
        """Write every output and then every input again, with the values that they hold.

        In a network, the operator before has just written the inputs, and outputs lie in memory
        that others have used shortly before.
        """

    def infer(self, batch: Array) -> Array:
        """Fill the only input, run, and return a copy of the only output."""


class Runtime(NamedTuple):
    """A runtime that this Python can import.

    Attributes:
        distribution: that brought it.
        package: the folder of its package.
        load: makes a model of a file, for so many threads.
        ballast: in the memory where its models lie.
    """

    distribution: str
    package: Path
    load: Callable[[Path, int], Model]
    ballast: Ballast


class UnusableError(ImportError):
    """A runtime that is there, and cannot be used as it was asked for.

    Attributes:
        advice: what to do next.
    """

    def __init__(self, why: str, advice: str) -> None:
        super().__init__(why)
        self.advice = advice


def import_runtime(called: str) -> Runtime:
    """Import a runtime; ImportError when the device has none, or none that runs like that.

    Args:
        called: the host's name for it, and its options after a colon where it has any:
            ``onnxruntime:optimization=extended``.
    """
    name, _, text = called.partition(":")
    options = dict(pair.partition("=")[::2] for pair in text.split(",")) if text else {}
    if called == "litert":
        return _import_tflite("ai-edge-litert", "ai_edge_litert")
    if called == "tflite-runtime":
        return _import_tflite("tflite-runtime", "tflite_runtime")
    if name == "onnxruntime":
        return _import_onnxruntime(
            options.get("optimization", "all"), options.get("provider", "cpu")
        )
    if name == "torch":
        from .torch_model import import_torch

        device, layout = options.get("device", "cpu"), options.get("layout", "channels_first")
        return import_torch(device, layout)
    raise ImportError(f"this agent knows no runtime {called!r}")


def _import_tflite(distribution: str, package: str) -> Runtime:
    """Import one of the two packages that the interpreter of TFLite files has come in."""
    module = importlib.import_module(f"{package}.interpreter")

    def load(path: Path, threads: int) -> Model:
        return _LiteRtModel(module.Interpreter(str(path), num_threads=threads))

    return Runtime(distribution, package_folder(module), load, HostBallast())


def _import_onnxruntime(optimization: str, provider: str) -> Runtime:
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    module = importlib.import_module("onnxruntime")
    level = getattr(module.GraphOptimizationLevel, f"ORT_ENABLE_{optimization.upper()}", None)
    if level is None:
        raise ImportError(f"ONNX Runtime knows no optimization {optimization!r}")

    def session_options(threads: int) -> Any:  # noqa: ANN401 (ONNX Runtime has no types)
        options = module.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        options.graph_optimization_level = level
        return options

    def load(path: Path, threads: int) -> Model:
        options = session_options(threads)
        for entry in ("use_env_allocators", "use_device_allocator_for_initializers"):
            options.add_session_config_entry(f"session.{entry}", "1")
        session = module.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return _OnnxRuntimeModel(module, session)

    distribution = _installed("onnxruntime", "onnxruntime-gpu")
    if provider == "cuda":
        from .onnx_cuda import cuda_runtime

        return cuda_runtime(module, distribution, session_options)
    if provider != "cpu":
        raise UnusableError(f"ONNX Runtime is not run by {provider!r} here", "use cpu or cuda")
    _share_memory(module)
    return Runtime(distribution, package_folder(module), load, HostBallast())


@cache
def _share_memory(module: ModuleType) -> None:
    """Have all sessions that ask for it take tensors from one arena, as all operators of one do.

    So what an operator writes lies where others have just written, and not in memory of its own
    that nobody has touched since its last turn. Weights stay out of it (docs/measuring.md).
    """
    where = module.OrtMemoryInfo(
        "Cpu", module.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, module.OrtMemType.DEFAULT
    )
    no_limit, default = 0, -1
    module.create_and_register_allocator(
        where, module.OrtArenaCfg(no_limit, default, default, default)
    )


def _installed(*distributions: str) -> str:
    """Return the first of several distributions of one package that is there."""
    for name in distributions:
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        return name
    raise ImportError(f"none of {', '.join(distributions)} is installed")


def package_folder(module: ModuleType) -> Path:
    """Return the folder that a package was imported from."""
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
        for index in (*self._outputs, *self._inputs):
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
        self._inputs, self._outputs, self._tensors = [], [], []
        rng = np.random.default_rng(0)
        for value in session.get_inputs():
            self._inputs.append(
                made_up(value.name, value.shape, TENSOR_DTYPES.get(value.type), rng)
            )
            self._tensors.append(module.OrtValue.ortvalue_from_numpy(self._inputs[-1]))
            self._binding.bind_ortvalue_input(value.name, self._tensors[-1])
        for value in session.get_outputs():
            if value.type in TENSOR_DTYPES and _known(value.shape):
                self._outputs.append(np.zeros(value.shape, TENSOR_DTYPES[value.type]))
                self._tensors.append(module.OrtValue.ortvalue_from_numpy(self._outputs[-1]))
                self._binding.bind_ortvalue_output(value.name, self._tensors[-1])
            else:  # only a run tells its size
                self._binding.bind_output(value.name, "cpu")

    def run(self) -> None:
        self._session.run_with_iobinding(self._binding)

    def refresh(self) -> None:
        for array in (*self._outputs, *self._inputs):
            _rewrite(array)

    def infer(self, batch: Array) -> Array:
        if self._inputs[0].dtype.kind != "f":
            raise ValueError(f"the model reads {self._inputs[0].dtype}, not floating point")
        self._inputs[0][...] = batch
        self.run()
        return np.array(self._binding.get_outputs()[0].numpy(), np.float32)


def _rewrite(array: NDArray[Any]) -> None:
    """Write every byte of an array anew; its values stay as they are."""
    if array.size:
        content = array.reshape(-1).view(np.uint8)
        np.bitwise_or(content, content, out=content)


def _known(shape: Sequence[object]) -> bool:
    """Tell whether a shape is known before a run; one without axes may be a scalar's or not."""
    return bool(shape) and all(isinstance(size, int) and size >= 0 for size in shape)
