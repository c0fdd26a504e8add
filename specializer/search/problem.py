"""What a search is asked for: the most accurate network of a space within limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..accuracy.predictor import AccuracyPredictor
from ..space import Population, SearchSpace


class Cost(Protocol):
    """Whatever tells a cost of many networks at once."""

    def evaluate(self, population: Population) -> NDArray[np.float64]:
        """Return each network's cost: (n,)."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Limit:
    """The most that a network may cost.

    Attributes:
        what: is limited, for people: ``latency on pi4``.
        unit: of the cost: ``ms``.
        cost: of every network.
        most: that a network may cost.
    """

    what: str
    unit: str
    cost: Cost
    most: float


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """A space, what is wanted of its networks, and what they may cost.

    Attributes:
        space: to search in.
        predictor: of the accuracy, which shall be as high as it can.
        limits: that a network has to meet, every one of them.
    """

    space: SearchSpace
    predictor: AccuracyPredictor
    limits: tuple[Limit, ...]

    def meets(self, population: Population) -> NDArray[np.bool_]:
        """Tell whether each network meets every limit: (n,)."""
        within = np.ones(len(population), bool)
        for limit in self.limits:
            within &= limit.cost.evaluate(population) <= limit.most
        return within
