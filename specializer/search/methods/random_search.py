"""Random search: the baseline that every other method has to beat.

Source: Li and Talwalkar, Random search and reproducibility for neural architecture search, UAI
2019.
"""

from __future__ import annotations

import numpy as np

from ..feasible import check
from ..problem import Problem
from .method import Batch, Floats, draw_within

_AT_ONCE = 100


class RandomSearch:
    """Draws networks within the limits.

    Args:
        problem: whose limits are met.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem, self._seed = problem, check(problem)

    def ask(self, rng: np.random.Generator) -> Batch:
        """Draw some more."""
        return Batch(draw_within(self._problem, self._seed, _AT_ONCE, rng))

    def tell(self, batch: Batch, scores: Floats) -> None:
        """Learn nothing."""
