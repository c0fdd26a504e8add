"""Inputs of small neural predictors: what networks are made of, in comparable units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..space import Population, SearchSpace
from .features import one_hot
from .kernel import Counts

Arrays32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """A linear map from one-hot features to counts of what they have in common.

    A network that learns from counts learns from few examples what is common to many choices. As
    the map is linear, it folds into the first layer, and predictions never take it.

    Attributes:
        matrix: (features, inputs).
        centre: of the inputs, over the training population: (inputs,).
    """

    matrix: Arrays32
    centre: Arrays32

    @classmethod
    def of(cls, space: SearchSpace, population: Population) -> Inputs:
        """Take the units from a training population."""
        counts = Counts.of(space, population)
        matrix = np.concatenate([counts.matrix(c) for c in range(len(counts.pools))], axis=1)
        centres = [c / scale for c, scale in zip(counts.centres, counts.scales, strict=True)]
        return cls(matrix.astype(np.float32), np.concatenate(centres).astype(np.float32))

    def __call__(self, space: SearchSpace, population: Population) -> Arrays32:
        """Return the inputs of networks: (n, inputs)."""
        return one_hot(space, population) @ self.matrix - self.centre

    def fold(self, weight: Arrays32, bias: Arrays32) -> tuple[Arrays32, Arrays32]:
        """Return the weights (…, features, out) and biases that do the same from the features."""
        return self.matrix @ weight, bias - np.tensordot(self.centre, weight, (0, -2))
