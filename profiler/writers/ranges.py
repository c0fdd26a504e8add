"""In what ranges a graph's activations lie, without running it: for int8 models that are timed.

A quantised model needs a scale and a zero point for every tensor. Shipped ones have them from
images; for timing they only have to be sane, so that no tensor saturates and none is all zero. Here
each channel is taken for normal, with independent values: means and variances go through
convolutions as sums, through activations by Gauss-Hermite quadrature. Inputs are taken for standard
normal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...tables.graph import Graph, Node, Weights
from ...tables.kinds import kind_of
from .weights import node_weights

INPUT_LIMIT = 4.0
"""Inputs from minus this to this are represented."""

_DEVIATIONS = 4.5
_LEAST_WIDTH = 1e-6
_NODES, _SHARES = np.polynomial.hermite_e.hermegauss(24)
_SHARES = _SHARES / _SHARES.sum()

Range = tuple[float, float]
"""Lowest and highest value; 0 lies between, and they differ."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Moments:
    """What is known of a tensor, one number a channel.

    Attributes:
        mean: (channels,).
        variance: (channels,).
        reached: its range, where that is known better than by mean and variance.
    """

    mean: Floats
    variance: Floats
    reached: Range | None = None

    @property
    def range(self) -> Range:
        """Where all but one in some 100,000 values lie, and 0."""
        margin = _DEVIATIONS * np.sqrt(self.variance)
        low, high = self.reached or (
            float((self.mean - margin).min()),
            float((self.mean + margin).max()),
        )
        low, high = min(low, 0.0), max(high, 0.0)
        return (low, high) if high - low > _LEAST_WIDTH else (-1.0, 1.0)


def activation_ranges(graph: Graph, weights: Weights) -> dict[str, Range]:
    """Find the range of each tensor that a writer makes, by the names that writers give them.

    Args:
        graph: whose inputs are standard normal.
        weights: its own, or those that stand in for them.

    Returns:
        Ranges of the inputs and the nodes' results by name, and by ``NODE/PART`` of what lies
        between: ``linear`` before an activation, ``padded`` before windows, ``flat`` before
        a classifier, and the parts of squeeze-and-excite.
    """
    moments = {
        name: Moments(np.zeros(shape[0]), np.ones(shape[0]), (-INPUT_LIMIT, INPUT_LIMIT))
        for name, shape in graph.inputs
    }
    found = {name: one.range for name, one in moments.items()}
    for node in graph.nodes:
        own = node_weights(weights, node.name, tuple(kind_of(node.operator).weights(node.operator)))
        inputs = [moments[name] for name in node.inputs]
        parts = _MAKE[node.operator.kind](node, inputs, own)
        result = parts["linear"]
        if node.operator.activation != "none":
            result = activated(result, _ACTIVATIONS[node.operator.activation])
        moments[node.name] = result
        found[node.name] = result.range
        found[f"{node.name}/padded"] = found[f"{node.name}/flat"] = found[node.inputs[0]]
        found.update({f"{node.name}/{part}": one.range for part, one in parts.items()})
    return found


def activated(moments: Moments, function: Callable[[Floats], Floats]) -> Moments:
    """Apply a function to every value."""
    deviation = np.sqrt(moments.variance)
    values = function(moments.mean[:, None] + deviation[:, None] * _NODES)
    mean = values @ _SHARES
    variance = np.maximum((values**2) @ _SHARES - mean**2, 0)
    reached = function(np.linspace(*moments.range, 257))
    return Moments(mean, variance, (float(reached.min()), float(reached.max())))


def _summed(moments: Moments, weight: Floats, bias: NDArray[np.float32]) -> Moments:
    """Weigh channels and add them up: ``weight`` is (out, in, values of each channel)."""
    mean = weight.sum(2) @ moments.mean + bias
    return Moments(mean, (weight**2).sum(2) @ moments.variance)


def _conv2d(_: Node, inputs: list[Moments], weights: Weights) -> dict[str, Moments]:
    weight = weights["weight"].astype(float)
    return {"linear": _summed(inputs[0], weight.reshape(*weight.shape[:2], -1), weights["bias"])}


def _depthwise_conv2d(_: Node, inputs: list[Moments], weights: Weights) -> dict[str, Moments]:
    weight = weights["weight"].astype(float).reshape(len(weights["bias"]), -1)
    mean = weight.sum(1) * inputs[0].mean + weights["bias"]
    return {"linear": Moments(mean, (weight**2).sum(1) * inputs[0].variance)}


def _dense(node: Node, inputs: list[Moments], weights: Weights) -> dict[str, Moments]:
    channels = node.operator.inputs[0][0]
    weight = weights["weight"].astype(float).reshape(node.operator["out"], channels, -1)
    return {"linear": _summed(inputs[0], weight, weights["bias"])}


def _add(_: Node, inputs: list[Moments], __: Weights) -> dict[str, Moments]:
    one, other = inputs
    return {"linear": Moments(one.mean + other.mean, one.variance + other.variance)}


def _pooled(node: Node, moments: Moments) -> Moments:
    _, height, width = node.operator.inputs[0]
    # Independent values would leave 1 / (height * width) of the variance. Values next to each other
    # are alike in a network, so its root is taken.
    return Moments(moments.mean, moments.variance / math.sqrt(height * width))


def _global_average_pool(node: Node, inputs: list[Moments], _: Weights) -> dict[str, Moments]:
    return {"linear": _pooled(node, inputs[0])}


def _within(_: Node, inputs: list[Moments], __: Weights) -> dict[str, Moments]:
    """Pool a few neighbours, alike in a network: the same range, as eight bits have to have it."""
    (before,) = inputs
    return {"linear": Moments(before.mean, before.variance, before.range)}


def _squeeze_excite(node: Node, inputs: list[Moments], weights: Weights) -> dict[str, Moments]:
    (x,) = inputs
    reduce_weight, expand_weight = (
        weights[f"{part}_weight"].astype(float).reshape(*weights[f"{part}_weight"].shape[:2], 1)
        for part in ("reduce", "expand")
    )
    pooled = _pooled(node, x)
    reduced = _summed(pooled, reduce_weight, weights["reduce_bias"])
    squeezed = activated(reduced, _relu)
    expanded = _summed(squeezed, expand_weight, weights["expand_bias"])
    scale = activated(expanded, lambda values: np.clip(values / 6 + 0.5, 0, 1))
    square = (x.variance + x.mean**2) * (scale.variance + scale.mean**2)
    return {
        "pooled": pooled,
        "reduce": reduced,
        "squeezed": squeezed,
        "expand": expanded,
        "sixfold": Moments(6 * scale.mean, 36 * scale.variance, (0, 6 * scale.range[1])),
        "scale": scale,
        "linear": Moments(x.mean * scale.mean, square - (x.mean * scale.mean) ** 2, x.range),
    }


def _relu(values: Floats) -> Floats:
    return np.maximum(values, 0)


def _hard_swish(values: Floats) -> Floats:
    return values * np.clip(values / 6 + 0.5, 0, 1)


_ACTIVATIONS: Mapping[str, Callable[[Floats], Floats]] = {
    "relu": _relu,
    "relu6": lambda values: np.clip(values, 0, 6),
    "hswish": _hard_swish,
}

_MAKE: Mapping[str, Callable[[Node, list[Moments], Weights], dict[str, Moments]]] = {
    "add": _add,
    "average_pool": _within,
    "conv2d": _conv2d,
    "dense": _dense,
    "depthwise_conv2d": _depthwise_conv2d,
    "global_average_pool": _global_average_pool,
    "max_pool": _within,
    "squeeze_excite": _squeeze_excite,
}
"""The moments of a node's tensors, of which ``linear`` is its result before the activation."""
