"""What a search is asked for: the most accurate network of a space within limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..accuracy.predictor import AccuracyPredictor
from ..space import Population, SearchSpace


class Cost(Protocol):
    """Whatever tells a cost of many networks at once."""

    def evaluate(self, population: Population) -> NDArray[np.float64]:
        """Return each network's cost: (n,)."""
        ...


@runtime_checkable
class PeakCost(Cost, Protocol):
    """A cost that is the highest of what the parts of a network cost, not their sum.

    A limit on it forbids choices, whatever stands beside them.
    """

    def allowed(self, most: float) -> NDArray[np.bool_]:
        """Tell which choices a network that meets a limit may have.

        Args:
            most: that a network may cost.

        Returns:
            (contexts, slots, highest choice + 1), ``ABSENT`` included; all false in a context
            none of whose networks meets the limit. A network meets it if and only if all its
            choices are allowed.
        """
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

    def within(self, most: float) -> Limit:
        """Limit the same to something else."""
        return replace(self, most=most)

    @property
    def text(self) -> str:
        """Write it for people: ``latency on pi4 of at most 20 ms``."""
        return f"{self.what} of at most {self.most:g} {self.unit}".rstrip()


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
        return meets(self.limits, population)

    def costs(self, population: Population) -> NDArray[np.float64]:
        """Return what each network costs by each limit: (n, limits)."""
        columns = [limit.cost.evaluate(population) for limit in self.limits]
        return np.stack(columns, axis=1) if columns else np.zeros((len(population), 0))


def meets(limits: Sequence[Limit], population: Population) -> NDArray[np.bool_]:
    """Tell whether each network meets every one of some limits: (n,)."""
    within = np.ones(len(population), bool)
    for limit in limits:
        within &= limit.cost.evaluate(population) <= limit.most
    return within
