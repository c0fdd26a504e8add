"""The small changes of a network: one choice, or one axis of the context, made something else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..space import Population, SearchSpace


def changes(space: SearchSpace) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """List every single change as a position among the genes and its new value: (n,), (n,)."""
    lowest, highest = space.gene_bounds
    listed = [
        (position, value)
        for position, (low, high) in enumerate(zip(lowest.tolist(), highest.tolist(), strict=True))
        for value in range(low, high + 1)
    ]
    positions, values = np.array(listed, np.intp).T
    return positions, values


def changed(
    space: SearchSpace,
    current: Population,
    positions: NDArray[np.intp],
    values: NDArray[np.intp],
) -> Population:
    """Apply each row of (n, changes) to a copy of the current network, (1, 1 + slots)."""
    genes = np.repeat(space.genes(current), len(positions), axis=0)
    np.put_along_axis(genes, positions, values.astype(np.int16), axis=1)
    return space.repair(space.networks(genes))
