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
    networks = []
    for context in range(len(space.contexts)):
        network, first = [context], 0
        for stage in space.stages:
            network += _fastest_stage(stage, cost.choice[context, first : first + len(stage)])
            first += len(stage)
        networks.append(network)
    costs = cost.evaluate(np.array(networks, np.int16))
    return tuple(networks[int(costs.argmin())])


def largest(space: SearchSpace, cost: CostTensor) -> SubNetwork:
    """Return the largest network of the last context that has a known cost."""
    return (cost.contexts[-1], *space.largest[1:])


def _fastest_stage(stage: tuple[Slot, ...], costs: NDArray[np.float64]) -> list[int]:
    """Choose for one stage, given its (slots, choices) of costs."""
    filled = costs[:, ABSENT + 1 :]
    required = required_slots(stage)
    totals = np.concatenate([[0.0], filled.min(axis=1).cumsum()])
    depth = required + int(totals[required:].argmin())
    choices = (ABSENT + 1 + filled.argmin(axis=1)).tolist()
    return [*choices[:depth], *[ABSENT] * (len(stage) - depth)]
