"""Weights for graphs that are only timed."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ...tables.graph import Graph, Weights

_PERIOD = 4093
"""Values after which the random ones come again.

No kernel's latency depends on the values that it is given, as long as they are ordinary numbers.
But models have to travel to devices, and what repeats within the 32 kB that deflate looks back
shrinks to a hundredth. A prime number, so that no two output channels are the same.
"""


def random_weights(graph: Graph, seed: int) -> dict[str, NDArray[np.float32]]:
    """Draw weights that keep activations near unit scale, far from denormals and infinities.

    Args:
        graph: whose ``weight_shapes`` are filled.
        seed: the same seed gives the same weights.

    Returns:
        Every weight by name, in PyTorch's layout: normal with a variance of one over the number
        of values that are summed; biases small. They come again and again, one tensor going on
        where another stopped.
    """
    pool = np.random.default_rng(seed).standard_normal(_PERIOD, np.float32)
    begin = 0

    def draw(shape: tuple[int, ...]) -> NDArray[np.float32]:
        nonlocal begin
        summed, size = math.prod(shape[1:]) if len(shape) > 1 else 100, math.prod(shape)
        scaled = np.roll(pool, -begin) * np.float32(1 / math.sqrt(summed))
        begin = (begin + size) % _PERIOD
        return np.resize(scaled, shape)

    return {name: draw(shape) for name, shape in graph.weight_shapes.items()}


def node_weights(weights: Weights, node: str, names: tuple[str, ...]) -> Weights:
    """Pick one node's weights, under their names without the node's."""
    return {name: weights[f"{node}.{name}"] for name in names}
