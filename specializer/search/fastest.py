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
