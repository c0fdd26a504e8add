"""MnasNet's soft objective: accuracy × (latency / target)^w, which no limit cuts off.

A network a little too slow may be the parent of a good one; it is only worth less. The published
search maximises this by reinforcement learning; here regularised evolution does, so that what
differs is the objective alone.

Source: Tan et al., MnasNet, CVPR 2019, section 3.1: w = -0.07 on either side of the target, as
doubling the latency was seen to be worth about 5 % of accuracy.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...space import SubNetwork
from ..problem import Limit, Problem
from .regularised import RegularisedEvolution

EXPONENT = -0.07


class SoftObjective(RegularisedEvolution):
    """Regularised evolution that trades accuracy for whatever is limited.

    Args:
        problem: its limits are targets.
        exponent: of cost over target, for each limit.
    """

    def __init__(self, problem: Problem, exponent: float = EXPONENT) -> None:
        super().__init__(replace(problem, limits=()))
        self._targets: tuple[Limit, ...] = problem.limits
        self._exponent = exponent

    def fitness(self, network: SubNetwork, score: float) -> float:
        """Multiply the accuracy by what its costs make of it."""
        row = np.array([network], np.int16)
        for limit in self._targets:
            score *= float(limit.cost.evaluate(row)[0] / limit.most) ** self._exponent
        return score
