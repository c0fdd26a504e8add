"""Peak memory: what the activations of a network take at once, at most."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from ...tables.graph import Graph
from ...tables.operator import Shape
from ..cost import value_parts
from ..space import Population
from ..supernets.supernet import Supernet

_BYTES = 4
"""Of a number in float32."""


def peak_bytes(graph: Graph) -> int:
    """Return the most bytes of activations that are alive at once, in float32, for one sample.

    Operators run one after another, as the graph lists them. While one runs, its result is alive,
    and so is every tensor that it or a later one still reads. Weights do not count, nor what a
    runtime needs besides: scratch buffers, copies with padding, gaps between tensors. No result
    overwrites its input.

    Source: Lin et al., MCUNet, NeurIPS 2020, section 3 (peak of activations as the constraint).
    """
    last_read = {name: step for step, node in enumerate(graph.nodes) for name in node.inputs}
    shapes = graph.shapes
    alive = sum(_size_bytes(shape) for name, shape in graph.inputs if name in last_read)
    peak = alive
    for step, node in enumerate(graph.nodes):
        alive += _size_bytes(shapes[node.name])
        peak = max(peak, alive)
        alive -= sum(
            _size_bytes(shapes[name]) for name in set(node.inputs) if last_read[name] == step
        )
    return peak


def _size_bytes(shape: Shape) -> int:
    return _BYTES * prod(shape)


@dataclass(frozen=True, slots=True, eq=False)
class PeakTensor:
    """A cost of every network of a space that is the highest among its parts.

    Between two blocks a single tensor is alive, which the second one counts as its input: so the
    peak of a network is the highest peak of its stem, its blocks and its head. A limit on it
    forbids choices, whatever stands beside them.

    Attributes:
        fixed: of the stem or the head, whichever is higher: (contexts,).
        choice: of each choice; 0 for an allowed ``ABSENT``, infinite for what the slot cannot be:
            (contexts, slots, highest choice + 1).
    """

    fixed: NDArray[np.float64]
    choice: NDArray[np.float64]

    def evaluate(self, population: Population) -> NDArray[np.float64]:
        """Return each network's cost: (n,)."""
        contexts, choices = population[:, 0], population[:, 1:]
        slots = np.arange(choices.shape[1])
        peaks = self.choice[contexts[:, None], slots, choices].max(axis=1, initial=0.0)
        highest: NDArray[np.float64] = np.maximum(peaks, self.fixed[contexts])
        return highest

    def allowed(self, most: float) -> NDArray[np.bool_]:
        """Tell which choices a network may have that costs no more than ``most``.

        Returns:
            (contexts, slots, highest choice + 1); all false in a context whose stem or head alone
            exceeds it.
        """
        within: NDArray[np.bool_] = self.choice <= most
        within &= (self.fixed <= most)[:, None, None]
        return within


def compile_peak(supernet: Supernet) -> PeakTensor:
    """Compile the peak memory of every network's activations, in bytes (``peak_bytes``)."""
    parts = value_parts(supernet, peak_bytes)
    return PeakTensor(np.maximum(parts.stem, parts.head), parts.choice)
