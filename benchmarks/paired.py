"""Paired comparison of two classifiers that answered the same photos."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z = 1.959964
"""Half-width of a 95 % interval, in standard errors."""

Flags = NDArray[np.bool_]
"""Of each image whether a network got it right: (images,)."""


@dataclass(frozen=True, slots=True)
class Difference:
    """By how much one network is more accurate than another, on the same images.

    Attributes:
        points: difference of the accuracies, in percentage points.
        low: lower end of its 95 % interval.
        high: upper end of it.
        p_value: of McNemar's exact test: how likely so unequal a count of images that only one of
            the two gets right is, if neither is better.
    """

    points: float
    low: float
    high: float
    p_value: float

    @classmethod
    def of(cls, right: Flags, other: Flags) -> Difference:
        """Compare two networks' right answers, each (images,).

        Source: Agresti, Categorical data analysis, section 10.1 (matched pairs).
        """
        images = len(right)
        wins, losses = int((right & ~other).sum()), int((other & ~right).sum())
        mean = (wins - losses) / images
        error = math.sqrt((wins + losses) / images - mean * mean) / math.sqrt(images)
        return cls(
            points=100 * mean,
            low=100 * (mean - Z * error),
            high=100 * (mean + Z * error),
            p_value=mcnemar(wins, losses),
        )


def mcnemar(wins: int, losses: int) -> float:
    """Return the two-sided p-value of McNemar's exact test.

    Args:
        wins: images that the first network alone gets right.
        losses: images that the second alone gets right.
    """
    count = wins + losses
    tail = sum(math.comb(count, index) for index in range(min(wins, losses) + 1))
    return min(1.0, 2 * tail / (1 << count))
