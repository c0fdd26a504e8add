"""Networks in torch: a graph of operators, its weights, and BatchNorm where it is not yet folded.

This is the third reader of a graph, beside the two writers: whatever the graph says is what torch
computes, so a network that was evaluated here is, operator for operator, the one that ships.

Weights are named ``NODE.WEIGHT`` as the graph names them; a convolution that is still followed by
BatchNorm has ``NODE.norm.{weight,bias,running_mean,running_var}`` in place of ``NODE.bias``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from ..tables.graph import Graph, Node
from ..tables.kinds import refuse_blocks

TensorMap = Mapping[str, Tensor]
Normalise = Callable[[Tensor, str, TensorMap], Tensor]
"""Applies the BatchNorm of a node: (activations, node name, weights) to activations."""

_ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "none": lambda tensor: tensor,
    "relu": functional.relu,
    "relu6": functional.relu6,
    "hswish": functional.hardswish,
}


@dataclass(frozen=True, slots=True)
class RunningNorm:
    """BatchNorm by stored statistics, as at inference."""

    eps: float

    def __call__(self, tensor: Tensor, node: str, weights: TensorMap) -> Tensor:
        """Normalise (N, C, H, W) by the running mean and variance of ``node``."""
        return functional.batch_norm(
            tensor,
            weights[f"{node}.norm.running_mean"],
            weights[f"{node}.norm.running_var"],
            weights[f"{node}.norm.weight"],
            weights[f"{node}.norm.bias"],
            eps=self.eps,
        )


@dataclass(frozen=True, slots=True)
class BatchStatisticsNorm:
    """BatchNorm by the statistics of the batch itself, as in training; nothing is stored."""

    eps: float

    def __call__(self, tensor: Tensor, node: str, weights: TensorMap) -> Tensor:
        """Normalise (N, C, H, W) by the batch's own mean and variance."""
        return functional.batch_norm(
            tensor,
            None,
            None,
            weights[f"{node}.norm.weight"],
            weights[f"{node}.norm.bias"],
            training=True,
            eps=self.eps,
        )


@dataclass(frozen=True, slots=True)
class Network:
    """One extracted sub-network: its graph, and its weights with BatchNorm not yet folded.

    Attributes:
        eps: of every BatchNorm.
    """

    graph: Graph
    weights: TensorMap
    eps: float

    @property
    def resolution(self) -> int:
        """Input size in pixels."""
        return self.graph.inputs[0][1][1]

    def run(self, images: Tensor) -> Tensor:
        """Compute logits, (N, classes), as at inference; ``images`` are (N, 3, size, size)."""
        with torch.inference_mode():
            return run_graph(self.graph, self.weights, images, RunningNorm(self.eps))

    def deployed(self) -> Graph:
        """Return the graph with its weights, BatchNorm folded: what the writers write."""
        return fold_batch_norm(self.graph, self.weights, self.eps)


def run_graph(graph: Graph, weights: TensorMap, images: Tensor, normalise: Normalise) -> Tensor:
    """Compute a network in torch.

    Args:
        graph: of one input.
        weights: by name, on the device of ``images``; gradients flow to them.
        images: (N, C, H, W), as the graph's input says.
        normalise: what BatchNorm does, where a node still has one.

    Returns:
        The graph's output, (N, classes) for a classifier.

    Raises:
        GraphError: there is a block in the graph; only what it is made of can be computed.
    """
    tensors = {graph.inputs[0][0]: images}
    for node in graph.nodes:
        if node.operator.kind not in _KINDS:
            refuse_blocks([node.operator], "torch")
        result = _KINDS[node.operator.kind](
            node, weights, normalise, *(tensors[name] for name in node.inputs)
        )
        tensors[node.name] = _ACTIVATIONS[node.operator.activation](result)
    return tensors[graph.output]


def fold_batch_norm(graph: Graph, weights: TensorMap, eps: float) -> Graph:
    """Return the graph with weights as it is deployed: BatchNorm folded into the convolutions.

    Folding is done in double precision and rounded once.
    """
    folded: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]] = {}
    for name, shape in graph.weight_shapes.items():
        node, _, weight = name.rpartition(".")
        if f"{node}.norm.weight" in weights:
            gain = weights[f"{node}.norm.weight"].double() / torch.sqrt(
                weights[f"{node}.norm.running_var"].double() + eps
            )
            if weight == "weight":
                value = weights[name].double() * gain[:, None, None, None]
            else:
                mean = weights[f"{node}.norm.running_mean"].double()
                value = weights[f"{node}.norm.bias"].double() - mean * gain
        elif name in weights:
            value = weights[name]
        else:  # a convolution that has neither BatchNorm nor a bias
            value = torch.zeros(shape)
        folded[name] = value.detach().to("cpu", torch.float32).contiguous().numpy()
    return Graph(graph.name, graph.inputs, graph.nodes, folded)


def graph_tensors(graph: Graph) -> dict[str, Tensor]:
    """Return the weights that a graph carries, as tensors for ``run_graph``."""
    return {name: torch.from_numpy(value) for name, value in graph.weights.items()}


def _convolution(node: Node, weights: TensorMap, normalise: Normalise, *inputs: Tensor) -> Tensor:
    (tensor,) = inputs
    kernel = weights[f"{node.name}.weight"]
    tensor = functional.conv2d(
        tensor,
        kernel,
        weights.get(f"{node.name}.bias"),
        stride=node.operator["stride"],
        padding=kernel.shape[-1] // 2,
        groups=tensor.shape[1] // kernel.shape[1],
    )
    if f"{node.name}.norm.weight" in weights:
        tensor = normalise(tensor, node.name, weights)
    return tensor


def _squeeze_excite(node: Node, weights: TensorMap, _: Normalise, *inputs: Tensor) -> Tensor:
    (tensor,) = inputs
    reduce, expand = (
        (weights[f"{node.name}.{step}_weight"], weights[f"{node.name}.{step}_bias"])
        for step in ("reduce", "expand")
    )
    gate = functional.conv2d(tensor.mean((2, 3), keepdim=True), *reduce)
    gate = functional.hardsigmoid(functional.conv2d(functional.relu(gate), *expand))
    return tensor * gate


def _dense(node: Node, weights: TensorMap, _: Normalise, *inputs: Tensor) -> Tensor:
    (tensor,) = inputs
    return functional.linear(
        tensor.flatten(1), weights[f"{node.name}.weight"], weights[f"{node.name}.bias"]
    )


def _add(_node: Node, _weights: TensorMap, _: Normalise, *inputs: Tensor) -> Tensor:
    left, right = inputs
    return left + right


def _pool(_node: Node, _weights: TensorMap, _: Normalise, *inputs: Tensor) -> Tensor:
    (tensor,) = inputs
    return tensor.mean((2, 3), keepdim=True)


def _max_pool(node: Node, _weights: TensorMap, _: Normalise, *inputs: Tensor) -> Tensor:
    (tensor,) = inputs
    kernel = node.operator["kernel"]
    pooled: Tensor = functional.max_pool2d(tensor, kernel, node.operator["stride"], kernel // 2)
    return pooled


def _average_pool(node: Node, _weights: TensorMap, _: Normalise, *inputs: Tensor) -> Tensor:
    (tensor,) = inputs
    return functional.avg_pool2d(tensor, node.operator["window"], ceil_mode=True)


_KINDS: Mapping[str, Callable[..., Tensor]] = {
    "add": _add,
    "average_pool": _average_pool,
    "conv2d": _convolution,
    "dense": _dense,
    "depthwise_conv2d": _convolution,
    "global_average_pool": _pool,
    "max_pool": _max_pool,
    "squeeze_excite": _squeeze_excite,
}
