"""Sub-networks as vectors of zeros and ones, for predictors to read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..space import Population, SearchSpace


def feature_starts(space: SearchSpace) -> NDArray[np.intp]:
    """Return the column at which each slot's features start, and the number of all: (slots + 1,).

    The contexts, axis by axis, stand before the first slot.
    """
    return np.cumsum([sum(space.axis_counts), *space.choice_counts], dtype=np.intp)


def context_columns(space: SearchSpace) -> NDArray[np.intp]:
    """Return the columns that each context sets, one for each axis: (contexts, axes)."""
    first = np.cumsum([0, *space.axis_counts[:-1]], dtype=np.intp)
    return first + space.axis_places()


def one_hot(space: SearchSpace, population: Population) -> NDArray[np.float32]:
    """Encode networks: one column for each value of each axis and each choice of each slot.

    A context is one value of each axis; where it has one axis, that is the context.

    An empty slot is all zeros, so elastic depth needs no columns of its own.

    Returns:
        (n, features): the axes, then the slots' choices in the order of the space.
    """
    starts = feature_starts(space)
    features = np.zeros((len(population), starts[-1]), np.float32)
    columns = context_columns(space)[population[:, 0]]
    features[np.arange(len(population))[:, None], columns] = 1
    rows, slots = np.nonzero(population[:, 1:])
    features[rows, starts[slots] + population[rows, slots + 1] - 1] = 1
    return features
