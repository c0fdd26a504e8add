"""The small changes of a network: one choice, or the context, made something else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..space import Population, SearchSpace


def changes(space: SearchSpace) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """List every single change as a position in the network and its new value: (n,), (n,)."""
    lowest = [0, *space.lowest_choices.tolist()]
    highest = [len(space.contexts) - 1, *space.choice_counts.tolist()]
    listed = [
        (position, value)
        for position, (low, high) in enumerate(zip(lowest, highest, strict=True))
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
    population = np.repeat(current, len(positions), axis=0)
    np.put_along_axis(population, positions, values.astype(np.int16), axis=1)
    return space.repair(population)
