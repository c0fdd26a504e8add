"""The front: the best accuracy at every latency, by one search per budget."""

from __future__ import annotations

import numpy as np

from ..accuracy.predictor import AccuracyPredictor
from ..cost import CostTensor
from ..space import SearchSpace
from .evolution import SearchResult, SearchSettings, search
from .fastest import fastest, largest

_SETTINGS = SearchSettings(generations=40)
"""A point of the front shows what a budget buys; nobody ships it, so a brief search will do."""


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
        At most ``points`` results; latencies and accuracies both ascend.
    """
    ends = np.array([fastest(space, cost), largest(space, cost)], np.int16)
    low_ms, high_ms = cost.evaluate(ends)
    budgets_ms = np.geomspace(low_ms, high_ms, points).clip(low_ms, high_ms).tolist()
    found = [
        search(space, cost, budget_ms, predictor, np.random.default_rng(seed), _SETTINGS)
        for budget_ms in budgets_ms
    ]
    front: list[SearchResult] = []
    for result in sorted(found, key=lambda result: (result.latency_ms, -result.accuracy)):
        if not front or result.accuracy > front[-1].accuracy:
            front.append(result)
    return tuple(front)
