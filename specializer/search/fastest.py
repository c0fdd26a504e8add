"""The fastest network of a space, exactly: what a budget has to leave room for; and the largest."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ...tables.errors import BudgetError, InfeasibleBudgetError
from ..cost import CostTensor
from ..space import ABSENT, SearchSpace, Slot, SubNetwork, required_slots


def check_budget(space: SearchSpace, cost: CostTensor, budget_ms: float) -> SubNetwork:
    """Return the fastest network of the space, which meets the budget.

    Raises:
        BudgetError: the budget is no positive, finite number.
        InfeasibleBudgetError: it is, but even the fastest network exceeds it.
    """
    if not (math.isfinite(budget_ms) and budget_ms > 0):
        raise BudgetError(f"a budget is a positive number of milliseconds, not {budget_ms:g}")
    network = fastest(space, cost)
    fastest_ms = float(cost.evaluate(np.array([network], np.int16))[0])
    if fastest_ms > budget_ms:
        raise InfeasibleBudgetError(space.name, budget_ms, space.text(network), fastest_ms)
    return network


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
