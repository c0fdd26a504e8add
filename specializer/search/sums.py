"""The limits of a problem as sums over slots, for whatever reasons about all networks at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...tables.curve import Curve
from ..cost import CostTensor
from ..space import SearchSpace
from .problem import Limit, PeakCost


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Limits on sums over slots, of which each is to stay within 1.

    Attributes:
        fixed: what every network of a context costs, infinite where it is excluded:
            (limits, contexts).
        choice: what each choice adds, infinite where a limit forbids it:
            (limits, contexts, slots, highest choice + 1).
        complete: whether these are all limits; a network within them may exceed one of the others.
    """

    fixed: NDArray[np.float64]
    choice: NDArray[np.float64]
    complete: bool

    def at(self, contexts: NDArray[np.intp]) -> Sums:
        """Return the same of some contexts."""
        return Sums(self.fixed[:, contexts], self.choice[:, contexts], self.complete)

    def weighted(self, weights: NDArray[np.float64]) -> CostTensor:
        """Add the limits up, each times its weight: at most the weights' sum within the limits."""
        with np.errstate(invalid="ignore"):  # what is forbidden stays so, whatever the weight
            fixed = np.tensordot(weights, self.fixed, 1)
            choice = np.tensordot(weights, self.choice, 1)
        fixed[np.isinf(self.fixed).any(axis=0)] = np.inf
        choice[np.isinf(self.choice).any(axis=0)] = np.inf
        return CostTensor(fixed, choice)


def sums_of(space: SearchSpace, limits: Sequence[Limit]) -> Sums:
    """Compile limits: peaks forbid choices, sums are divided by what they may be.

    With no limit on a sum there is one of zeros, in which forbidden choices are infinite.
    """
    added = [
        (limit.cost, _most(limit.cost.curve, limit.most))
        for limit in limits
        if isinstance(limit.cost, CostTensor)
    ]
    allowed = _possible(space)
    for limit in limits:
        if not isinstance(limit.cost, CostTensor) and isinstance(limit.cost, PeakCost):
            allowed = allowed & limit.cost.allowed(limit.most)
    fixed = np.stack([cost.fixed / most for cost, most in added] or [np.zeros(len(allowed))])
    choice = np.stack([cost.choice / most for cost, most in added] or [np.zeros(allowed.shape)])
    choice[:, ~allowed] = np.inf
    fixed[:, ~allowed.any(axis=(1, 2))] = np.inf
    known = [isinstance(limit.cost, CostTensor | PeakCost) for limit in limits]
    return Sums(fixed, choice, all(known))


def without_curve(cost: CostTensor) -> CostTensor:
    """Return the plain sums; they rank networks as the costs do."""
    return replace(cost, curve=None)


def _possible(space: SearchSpace) -> NDArray[np.bool_]:
    """Tell which choices each slot has: (contexts, slots, highest choice + 1)."""
    choices = np.arange(int(space.choice_counts.max()) + 1)
    possible = (choices >= space.lowest_choices[:, None]) & (
        choices <= space.choice_counts[:, None]
    )
    return np.repeat(possible[None], len(space.contexts), axis=0)


def _most(curve: Curve | None, most: float) -> float:
    """Return the highest sum of which a curve makes no more than that."""
    if curve is None:
        return most
    low, high = 0.0, 1.0
    while curve.at(high) <= most and high < math.inf:
        low, high = high, high * 2
    while (middle := (low + high) / 2) not in (low, high):
        low, high = (middle, high) if curve.at(middle) <= most else (low, middle)
    return low
