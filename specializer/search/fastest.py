"""The network of the least cost, exactly: what a limit has to leave room for; and the largest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..cost import CostTensor
from ..space import ABSENT, SearchSpace, Slot, SubNetwork, required_slots


def fastest(space: SearchSpace, cost: CostTensor) -> SubNetwork:
    """Find the network of the least cost.

    Costs are sums and stages do not depend on each other, so each stage of each context is
    decided by itself: the cheapest choice of every slot, and the depth that costs least.
    """
    stages, first = [np.arange(len(space.contexts))[:, None]], 0
    for stage in space.stages:
        stages.append(_fastest_stage(stage, cost.choice[:, first : first + len(stage)]))
        first += len(stage)
    networks = np.concatenate(stages, axis=1).astype(np.int16)
    return tuple(networks[int(cost.evaluate(networks).argmin())].tolist())


def largest(space: SearchSpace, cost: CostTensor) -> SubNetwork:
    """Return the largest network of the last context that has a known cost."""
    return (cost.contexts[-1], *space.largest[1:])


def _fastest_stage(stage: tuple[Slot, ...], costs: NDArray[np.float64]) -> NDArray[np.intp]:
    """Choose for one stage of each context, (contexts, slots), given (contexts, slots, choices)."""
    filled = costs[..., ABSENT + 1 :]
    required = required_slots(stage)
    totals = np.pad(filled.min(axis=2).cumsum(axis=1), ((0, 0), (1, 0)))
    depths = required + totals[:, required:].argmin(axis=1)
    choices: NDArray[np.intp] = ABSENT + 1 + filled.argmin(axis=2)
    return np.where(np.arange(len(stage)) < depths[:, None], choices, ABSENT)
