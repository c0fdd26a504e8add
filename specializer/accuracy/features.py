"""Sub-networks as vectors of zeros and ones, for predictors to read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..space import Population, SearchSpace


def feature_starts(space: SearchSpace) -> NDArray[np.intp]:
    """Return the column at which each slot's features start, and the number of all: (slots + 1,).

    The contexts stand before the first slot.
    """
    return np.cumsum([len(space.contexts), *space.choice_counts], dtype=np.intp)


def one_hot(space: SearchSpace, population: Population) -> NDArray[np.float32]:
    """Encode networks: one column for each context and for each choice of each slot.

    An empty slot is all zeros, so elastic depth needs no columns of its own.

    Returns:
        (n, features): the contexts, then the slots' choices in the order of the space.
    """
    starts = feature_starts(space)
    features = np.zeros((len(population), starts[-1]), np.float32)
    features[np.arange(len(population)), population[:, 0]] = 1
    rows, slots = np.nonzero(population[:, 1:])
    features[rows, starts[slots] + population[rows, slots + 1] - 1] = 1
    return features
