"""How much two networks' accuracies have to do with each other, given what they are made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..space import Population, SearchSpace
from .denoise import Floats
from .features import one_hot
from .pooling import COMPONENTS, pools

SMOOTH = tuple(map(COMPONENTS.index, ("order", "trait in a stage", "stage", "trait")))
"""Components that the smooth part sees: what is worth most of a change depends on the rest of the
network, but with few networks only on counts."""

_CONSTANT = 1e-9
"""Squared spread of counts that differ by rounding alone."""

LEVEL = 1.0
"""Variance of the level, in units of the accuracies' own: little is known of it before."""


@dataclass(frozen=True, slots=True, eq=False)
class Kernel:
    """Variances of what an accuracy is the sum of, in units of the accuracies' own variance.

    Attributes:
        additive: of what the counts of each component are worth: (components,).
        smooth: of a smooth function of the components in ``SMOOTH``.
        bends: how fast that changes with each of these, as inverse squared lengths.
        noise: of measuring.
    """

    additive: Floats
    smooth: float
    bends: Floats
    noise: float

    @classmethod
    def of(cls, logarithms: Floats) -> Kernel:
        """Make one of the natural logarithms of its numbers, in the order of the attributes."""
        numbers = np.exp(logarithms)
        count = len(COMPONENTS)
        return cls(numbers[:count], float(numbers[count]), numbers[count + 1 : -1], numbers[-1])


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """What networks are made of, component by component, in comparable units.

    Each component is centred and scaled, so that networks of the training population lie at a
    squared distance of 1 from their middle on average.

    Attributes:
        space: of the networks.
        pools: of each component, which columns it counts.
        centres: of each component, the mean count over the training population.
        scales: of each component, the divisor of its counts.
    """

    space: SearchSpace
    pools: list[Floats]
    centres: list[Floats]
    scales: list[float]

    @classmethod
    def of(cls, space: SearchSpace, population: Population) -> Counts:
        """Take the units from a training population."""
        features, found = one_hot(space, population).astype(np.float64), pools(space)
        counts = [features @ pool for pool in found]
        centres = [count.mean(axis=0) for count in counts]
        spreads = [
            float(np.square(count - centre).sum(axis=1).mean())
            for count, centre in zip(counts, centres, strict=True)
        ]
        scales = [np.sqrt(spread) if spread > _CONSTANT else 1.0 for spread in spreads]
        return cls(space, found, centres, scales)

    def matrix(self, component: int) -> Floats:
        """Return what leads from features to a component's scaled counts, not yet centred."""
        scaled: Floats = self.pools[component] / self.scales[component]
        return scaled

    def __call__(self, population: Population) -> list[Floats]:
        """Count: an array (n, counts) for each component."""
        features = one_hot(self.space, population).astype(np.float64)
        return [
            (features @ pool - centre) / scale
            for pool, centre, scale in zip(self.pools, self.centres, self.scales, strict=True)
        ]


def squared_distances(one: Floats, other: Floats) -> Floats:
    """Return the squared distance of every row of one to every row of the other."""
    squares = np.square(one).sum(axis=1)[:, None] + np.square(other).sum(axis=1)
    apart: Floats = np.maximum(squares - 2 * one @ other.T, 0)
    return apart
