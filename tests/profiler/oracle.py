"""What a graph computes, by PyTorch: the oracle of every writer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sartor.tables.graph import Graph, Weights
from sartor.tables.operator import Operator

Array = NDArray[np.float32]

torch.set_num_threads(1)  # the graphs are small, and the machine may be busy


def evaluate(graph: Graph, weights: Weights, inputs: Mapping[str, Array]) -> Array:
    """Run a graph on inputs of shape (batch, channels, height, width)."""
    tensors = {name: torch.from_numpy(np.ascontiguousarray(x)) for name, x in inputs.items()}
    own = {name: torch.from_numpy(value) for name, value in weights.items()}
    for node in graph.nodes:
        prefix = f"{node.name}."
        mine = {
            name.removeprefix(prefix): value
            for name, value in own.items()
            if name.startswith(prefix)
        }
        result = _apply(node.operator, [tensors[name] for name in node.inputs], mine)
        tensors[node.name] = _activate(node.operator.activation, result)
    return np.asarray(tensors[graph.output].numpy())


def relative_difference(got: Array, want: Array) -> float:
    """Return the largest difference over the largest wanted value."""
    assert got.shape == want.shape
    return float(np.abs(got - want).max() / max(float(np.abs(want).max()), 1e-6))


def _apply(operator: Operator, x: list[Tensor], weights: Mapping[str, Tensor]) -> Tensor:
    if operator.kind == "add":
        return x[0] + x[1]
    if operator.kind == "global_average_pool":
        return x[0].mean((2, 3), keepdim=True)
    if operator.kind == "max_pool":
        kernel, stride = operator["kernel"], operator["stride"]
        return torch.nn.MaxPool2d(kernel, stride, padding=kernel // 2)(x[0])  # type: ignore[no-any-return]
    if operator.kind == "average_pool":
        pool = torch.nn.AvgPool2d(operator["window"], padding=0, ceil_mode=True)
        return pool(x[0])  # type: ignore[no-any-return]
    if operator.kind == "dense":
        return functional.linear(x[0].flatten(1), weights["weight"], weights["bias"])
    if operator.kind == "squeeze_excite":
        scale = x[0].mean((2, 3), keepdim=True)
        scale = functional.conv2d(scale, weights["reduce_weight"], weights["reduce_bias"]).relu()
        scale = functional.conv2d(scale, weights["expand_weight"], weights["expand_bias"])
        return x[0] * functional.hardsigmoid(scale)
    assert operator.kind in {"conv2d", "depthwise_conv2d"}
    return functional.conv2d(
        x[0],
        weights["weight"],
        weights["bias"],
        stride=operator["stride"],
        padding=operator["kernel"] // 2,
        groups=1 if operator.kind == "conv2d" else operator.inputs[0][0],
    )


def _activate(activation: str, x: Tensor) -> Tensor:
    functions = {"relu": torch.relu, "relu6": functional.relu6, "hswish": functional.hardswish}
    return functions[activation](x) if activation in functions else x
