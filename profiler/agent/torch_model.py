"""Networks as torch runs them: eagerly, one function after another, in inference mode.

Activations work in place and tensors are dropped after their last use, as in the modules that
people write. Time in Python is part of the latency, because it is there in deployment, too.

What needs a GPU has been written without one at hand and is untested: ``_CudaModel``,
``CudaBallast``, and what ``import_torch`` does after it has found a GPU.
"""

from __future__ import annotations

import importlib
import json
import zipfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from .ballast import HostBallast
from .models import Array, Model, Runtime, UnusableError, package_folder

_FOREVER = ExitStack()
"""Holds the inference mode: entering it for every inference costs as much as a small operator."""


def import_torch(device: str, layout: str) -> Runtime:
    """Import torch for a device and a layout of tensors.

    Args:
        device: ``cpu`` or ``cuda``.
        layout: ``channels_first`` or ``channels_last``, as tensors lie in memory.

    Raises:
        ImportError: there is no torch here.
        UnusableError: there is no such layout or device.
    """
    torch = importlib.import_module("torch")
    formats = {"channels_first": torch.contiguous_format, "channels_last": torch.channels_last}
    if layout not in formats:
        raise UnusableError(
            f"torch knows no layout {layout!r} here", f"use one of {sorted(formats)}"
        )
    if device not in {"cpu", "cuda"}:
        raise UnusableError(f"torch is not run on {device!r} here", "use cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise UnusableError(
            f"torch {torch.__version__} finds no GPU to run on",
            "check nvidia-smi there, and that torch is a build for its CUDA",
        )
    _FOREVER.enter_context(torch.inference_mode())
    model = _CudaModel if device == "cuda" else _TorchModel

    def load(path: Path, threads: int) -> Model:
        torch.set_num_threads(threads)
        return model(torch, path, device, formats[layout])

    ballast = CudaBallast(torch) if device == "cuda" else HostBallast()
    return Runtime("torch", package_folder(torch), load, ballast)


class _Step(NamedTuple):
    """One call: what it reads and makes, and what nobody reads after it."""

    call: Callable[..., Any]
    inputs: tuple[str, ...]
    result: str
    dead: tuple[str, ...]


class _TorchModel:
    def __init__(self, torch: ModuleType, path: Path, device: str, memory_format: object) -> None:
        if not zipfile.is_zipfile(path):
            raise ValueError(f"{path.name} is no graph that Sartor wrote for torch")
        self._torch = torch
        with np.load(path, allow_pickle=False) as stored:
            graph = json.loads(stored["graph"].tobytes())
            weights = {
                name: torch.from_numpy(stored[name]).to(device)
                for name in stored.files
                if name != "graph"
            }
        for name, weight in weights.items():
            if weight.ndim == 4:
                weights[name] = weight.contiguous(memory_format=memory_format)
        rng = np.random.default_rng(0)
        self._inputs = {}
        for described in graph["inputs"]:
            values = torch.from_numpy(rng.standard_normal(described["shape"], np.float32))
            placed = values.to(device).contiguous(memory_format=memory_format)
            self._inputs[described["name"]] = placed
        self._steps = _steps(torch.nn.functional, graph, weights)
        self._output = graph["output"]

    def run(self) -> int | None:
        self._compute()
        return None

    def refresh(self) -> None:
        for tensor in self._inputs.values():
            bits = tensor.view(self._torch.int32)
            self._torch.bitwise_or(bits, bits, out=bits)

    def infer(self, batch: Array) -> Array:
        (tensor,) = self._inputs.values()
        tensor.copy_(self._torch.from_numpy(batch))
        return np.ascontiguousarray(self._compute().cpu().numpy())

    def _compute(self) -> Any:  # noqa: ANN401 (torch is imported late)
        tensors = dict(self._inputs)
        for call, inputs, result, dead in self._steps:
            tensors[result] = call(*[tensors[name] for name in inputs])
            for name in dead:
                del tensors[name]
        return tensors[self._output]


class _CudaModel(_TorchModel):
    """Runs on a GPU, and times itself by the GPU's clock.

    Kernels are only queued by the host. Events stand in the same queue before the first and behind
    the last one, and their difference is what the GPU took, waiting for the host included. TF32 is
    used where torch uses it by default.
    """

    def __init__(self, torch: ModuleType, path: Path, device: str, memory_format: object) -> None:
        super().__init__(torch, path, device, memory_format)
        self._start = torch.cuda.Event(enable_timing=True)
        self._end = torch.cuda.Event(enable_timing=True)

    def run(self) -> int | None:
        self._start.record()
        self._compute()
        self._end.record()
        self._end.synchronize()
        return int(1e6 * self._start.elapsed_time(self._end))

    def refresh(self) -> None:
        super().refresh()
        self._torch.cuda.synchronize()


class CudaBallast:
    """Memory of the GPU, rewritten to push everything else out of its cache."""

    def __init__(self, torch: ModuleType) -> None:
        self._torch = torch
        self._content = torch.zeros(0, dtype=torch.uint8, device="cuda")

    def touch(self, size: int) -> None:
        """Rewrite so many bytes, and wait until that is done."""
        if len(self._content) < size:
            self._content = self._torch.zeros(size, dtype=self._torch.uint8, device="cuda")
        self._content[:size].add_(1)
        self._torch.cuda.synchronize()


def _steps(
    functional: ModuleType, graph: Mapping[str, Any], weights: Mapping[str, Any]
) -> list[_Step]:
    """Turn the nodes of a graph into calls."""
    last_read = {name: node["name"] for node in graph["nodes"] for name in node["inputs"]}
    return [
        _Step(
            _activated(functional, node["activation"], _call(functional, node, weights)),
            tuple(node["inputs"]),
            node["name"],
            tuple(name for name, reader in last_read.items() if reader == node["name"]),
        )
        for node in graph["nodes"]
    ]


def _call(
    functional: ModuleType, node: Mapping[str, Any], weights: Mapping[str, Any]
) -> Callable[..., Any]:
    def own(name: str) -> Any:  # noqa: ANN401
        return weights[f"{node['name']}.{name}"]

    kind, attributes = node["kind"], node["attributes"]
    if kind == "add":
        return lambda one, other: one + other
    if kind == "global_average_pool":
        return lambda x: functional.adaptive_avg_pool2d(x, 1)
    if kind == "max_pool":
        kernel, stride = attributes["kernel"], attributes["stride"]
        return lambda x: functional.max_pool2d(x, kernel, stride, kernel // 2)
    if kind == "average_pool":
        window = attributes["window"]
        return lambda x: functional.avg_pool2d(x, window, ceil_mode=True)
    if kind == "dense":
        weight, bias = own("weight"), own("bias")
        return lambda x: functional.linear(x.flatten(1), weight, bias)
    if kind == "squeeze_excite":
        parts = [own(f"{part}_{what}") for part in ("reduce", "expand") for what in _PARAMETERS]
        return _squeeze_excite(functional, *parts)
    if kind in {"conv2d", "depthwise_conv2d"}:
        weight, bias = own("weight"), own("bias")
        stride, padding = attributes["stride"], attributes["kernel"] // 2
        groups = len(bias) if kind == "depthwise_conv2d" else 1
        return lambda x: functional.conv2d(x, weight, bias, stride, padding, 1, groups)
    raise ValueError(f"this agent runs no {kind!r} with torch")


_PARAMETERS = ("weight", "bias")


def _squeeze_excite(functional: ModuleType, *parts: Any) -> Callable[..., Any]:  # noqa: ANN401
    reduce_weight, reduce_bias, expand_weight, expand_bias = parts

    def call(x: Any) -> Any:  # noqa: ANN401
        scale = functional.adaptive_avg_pool2d(x, 1)
        scale = functional.relu(functional.conv2d(scale, reduce_weight, reduce_bias), inplace=True)
        scale = functional.conv2d(scale, expand_weight, expand_bias)
        return x * functional.hardsigmoid(scale, inplace=True)

    return call


def _activated(
    functional: ModuleType, activation: str, call: Callable[..., Any]
) -> Callable[..., Any]:
    if activation == "none":
        return call
    functions = {
        "relu": functional.relu,
        "relu6": functional.relu6,
        "hswish": functional.hardswish,
    }
    if activation not in functions:
        raise ValueError(f"this agent applies no {activation!r} with torch")
    function = functions[activation]
    return lambda *inputs: function(call(*inputs), inplace=True)
