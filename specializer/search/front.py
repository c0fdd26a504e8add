"""The front: the best accuracy at every latency, by one search per budget."""

from __future__ import annotations

import numpy as np

from ..accuracy.predictor import AccuracyPredictor
from ..cost import CostTensor
from ..space import SearchSpace
from .evolution import SearchResult, search
from .fastest import fastest


def pareto_front(
    space: SearchSpace, cost: CostTensor, predictor: AccuracyPredictor, seed: int, points: int = 12
) -> tuple[SearchResult, ...]:
    """Find networks of which none is both faster and more accurate than another.

    Args:
        space: to search in.
        cost: of its networks, in milliseconds.
        predictor: of their accuracy.
        seed: of each search.
        points: budgets, in equal ratios from the fastest network to the largest.

    Returns:
        At most ``points`` results, faster ones first.
    """
    ends = np.array([fastest(space, cost), space.largest], np.int16)
    low_ms, high_ms = cost.evaluate(ends)
    front: list[SearchResult] = []
    for budget_ms in np.geomspace(low_ms, high_ms, points).clip(low_ms, high_ms):
        rng = np.random.default_rng(seed)
        found = search(space, cost, float(budget_ms), predictor, rng)
        if not front or found.accuracy > front[-1].accuracy:
            front.append(found)
    return tuple(front)
