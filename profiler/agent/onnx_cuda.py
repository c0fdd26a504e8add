"""ONNX Runtime on a GPU.

Inputs and outputs lie in the GPU's memory and are bound once, so a run copies nothing. It ends when
the GPU has finished, and its time is the host's: ONNX Runtime shows nobody its events. TF32 and the
search for convolution algorithms are as ONNX Runtime has them by default.

All this was written without a GPU at hand; only the refusals are tested.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from .inputs import TENSOR_DTYPES, made_up
from .models import Array, Model, Runtime, UnusableError, package_folder

_PROVIDER = "CUDAExecutionProvider"


def cuda_runtime(
    module: ModuleType, distribution: str, session_options: Callable[[int], Any]
) -> Runtime:
    """Make a runtime of ONNX Runtime that runs everything it can on the first GPU.

    Args:
        module: ``onnxruntime``, imported.
        distribution: that brought it.
        session_options: by the number of threads, which only what the GPU cannot do will use.

    Raises:
        UnusableError: there is no GPU, or this ONNX Runtime cannot use it.
    """
    if _PROVIDER not in module.get_available_providers():
        raise UnusableError(
            f"{distribution} {module.__version__} was built without CUDA",
            "install onnxruntime-gpu there in its place",
        )
    if hasattr(module, "preload_dlls"):
        module.preload_dlls()  # finds CUDA where pip has put it
    ballast = CudaBallast(module)
    try:
        ballast.touch(1)
    except Exception as error:
        raise UnusableError(
            f"{distribution} {module.__version__} finds no GPU to run on: {error}",
            "check nvidia-smi there, and that CUDA and cuDNN are those that it was built for",
        ) from error

    def load(path: Path, threads: int) -> Model:
        session = module.InferenceSession(
            str(path), session_options(threads), providers=[_PROVIDER, "CPUExecutionProvider"]
        )
        # It falls back to the processor of the host in silence.
        if session.get_providers()[0] != _PROVIDER:
            raise RuntimeError("ONNX Runtime did not start on the GPU")
        return _OnnxCudaModel(module, session)

    return Runtime(distribution, package_folder(module), load, ballast)


class _OnnxCudaModel:
    def __init__(self, module: ModuleType, session: Any) -> None:  # noqa: ANN401 (no types)
        tensors = module.OrtValue
        self._session, self._binding = session, session.io_binding()
        self._inputs, self._outputs = [], []
        rng = np.random.default_rng(0)
        for value in session.get_inputs():
            values = made_up(value.name, value.shape, TENSOR_DTYPES.get(value.type), rng)
            self._inputs.append((tensors.ortvalue_from_numpy(values, "cuda", 0), values))
            self._binding.bind_ortvalue_input(value.name, self._inputs[-1][0])
        for value in session.get_outputs():
            dtype = np.dtype(TENSOR_DTYPES[value.type])
            self._outputs.append(
                tensors.ortvalue_from_shape_and_type(value.shape, dtype, "cuda", 0)
            )
            self._binding.bind_ortvalue_output(value.name, self._outputs[-1])

    def run(self) -> int | None:
        self._session.run_with_iobinding(self._binding)
        self._binding.synchronize_outputs()
        return None

    def refresh(self) -> None:
        for tensor, values in self._inputs:
            tensor.update_inplace(values)

    def infer(self, batch: Array) -> Array:
        self._inputs[0][0].update_inplace(batch)
        self.run()
        return np.array(self._outputs[0].numpy())


class CudaBallast:
    """Memory of the GPU, rewritten to push everything else out of its cache."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self._content = np.zeros(0, np.uint8)

    def touch(self, size: int) -> None:
        """Rewrite so many bytes or more, and wait until that is done."""
        if len(self._content) < size:
            self._content = np.zeros(size, np.uint8)
            self._tensor = self._module.OrtValue.ortvalue_from_numpy(self._content, "cuda", 0)
        elif size:
            self._tensor.update_inplace(self._content)
