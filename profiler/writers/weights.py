"""Weights for graphs that are only timed."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ...tables.graph import Graph, Weights


def random_weights(graph: Graph, seed: int) -> dict[str, NDArray[np.float32]]:
    """Draw weights that keep activations near unit scale, far from denormals and infinities.

    Args:
        graph: whose ``weight_shapes`` are filled.
        seed: the same seed gives the same weights.

    Returns:
        Every weight by name, in PyTorch's layout: normal with a variance of one over the number
        of values that are summed; biases small.
    """
    rng = np.random.default_rng(seed)

    def draw(shape: tuple[int, ...]) -> NDArray[np.float32]:
        summed = math.prod(shape[1:]) if len(shape) > 1 else 100
        values: NDArray[np.float32] = rng.standard_normal(shape, np.float32)
        values *= np.float32(1 / math.sqrt(summed))
        return values

    return {name: draw(shape) for name, shape in graph.weight_shapes.items()}


def node_weights(weights: Weights, node: str, names: tuple[str, ...]) -> Weights:
    """Pick one node's weights, under their names without the node's."""
    return {name: weights[f"{node}.{name}"] for name in names}
