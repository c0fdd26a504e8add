"""The networks that an accuracy predictor holds for the best, at budgets over the whole range."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from ..accuracy.predictor import AccuracyPredictor
from ..cost import CostTensor
from ..space import SearchSpace, SubNetwork
from .evolution import SearchSettings, search
from .fastest import fastest
from .problem import Limit, Problem

_SETTINGS = SearchSettings(spread=0, children=40)
_TRIES = 5


def favourites(
    space: SearchSpace,
    cost: CostTensor,
    predictor: AccuracyPredictor,
    count: int,
    rng: np.random.Generator,
    known: Collection[SubNetwork] = (),
) -> list[SubNetwork]:
    """Search at budgets in equal ratios, each moved at random by less than one of them.

    Args:
        space: to search in.
        cost: that the budgets are of.
        predictor: of accuracy.
        count: of networks.
        rng: of budgets and searches.
        known: networks that are not wanted again.

    Returns:
        ``count`` different networks, or fewer where the searches find no more.
    """
    ends = np.array([fastest(space, cost), space.largest], np.int16)
    low, high = cost.evaluate(ends)
    found: dict[SubNetwork, None] = {}
    for _ in range(_TRIES):
        steps = (np.arange(count) + rng.random(count)) / count
        for budget in low * (high / low) ** steps:
            limit = Limit("cost", "units", cost, float(budget))
            best = search(Problem(space, predictor, (limit,)), rng, _SETTINGS).subnetwork
            if best not in known and len(found) < count:
                found[best] = None
        if len(found) == count:
            break
    return list(found)
