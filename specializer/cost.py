"""Additive costs of a supernet's networks, compiled to one dense array."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..tables.curve import Curve
from ..tables.errors import FormatError
from ..tables.graph import Graph
from ..tables.kinds import multiply_adds
from ..tables.operator import Operator
from .space import ABSENT, Population, SearchSpace
from .supernets.supernet import Supernet

_CANDIDATES = 2000
"""Networks among which those for calibration are chosen."""


@dataclass(frozen=True, slots=True, eq=False)
class CostTensor:
    """The cost of every network of a space: a growing function of a sum over its slots.

    Source: Cai et al., ProxylessNAS, ICLR 2019, section 3.3 (additive latency model).

    Attributes:
        fixed: what every network of a context pays: (contexts,).
        choice: what each choice adds; 0 for an allowed ``ABSENT``, infinite for what the slot
            cannot be: (contexts, slots, highest choice + 1).
        curve: from the sum to the cost; None where the sum is the cost.
    """

    fixed: NDArray[np.float64]
    choice: NDArray[np.float64]
    curve: Curve | None = None

    def evaluate(self, population: Population) -> NDArray[np.float64]:
        """Return each network's cost: (n,)."""
        contexts, choices = population[:, 0], population[:, 1:]
        slots = np.arange(choices.shape[1])
        added = self.choice[contexts[:, None], slots, choices]
        # In one layout sums are taken in one order: a network costs the same to the last digit
        # whatever array it stands in, and meets a budget everywhere or nowhere.
        total: NDArray[np.float64] = np.ascontiguousarray(added).sum(axis=1)
        total += self.fixed[contexts]
        return total if self.curve is None else self.curve(total)

    def through(self, curve: Curve) -> CostTensor:
        """Take every sum through a curve, such as those of a table's calibration."""
        return replace(self, curve=curve)


def compile_cost(supernet: Supernet, operator_cost: Callable[[Operator], float]) -> CostTensor:
    """Compile what each operator costs into what each choice of a supernet costs.

    Latency as a table predicts it is ``compile_cost(supernet, table.latency_ms)`` through
    ``table.calibration.middle``; through ``high`` it is the upper end of the interval.

    Args:
        supernet: gives the operators of each choice.
        operator_cost: asked once for each distinct operator that the space can reach.

    Raises:
        MissingOperatorError: from ``operator_cost``, when a table does not cover the space.
    """
    space = supernet.space
    known: dict[Operator, float] = {}

    def cost(graph: Graph) -> float:
        for operator in graph.operators:
            if operator not in known:
                known[operator] = operator_cost(operator)
        return math.fsum(known[operator] for operator in graph.operators)

    fixed = np.array(
        [
            cost(supernet.stem_graph(context)) + cost(supernet.head_graph(context))
            for context in range(len(space.contexts))
        ]
    )
    shape = (len(space.contexts), len(space.slots), int(space.choice_counts.max()) + 1)
    choices = np.full(shape, np.inf)
    choices[:, space.lowest_choices == ABSENT, ABSENT] = 0.0
    for context, slot, choice in _places(space):
        choices[context, slot, choice] = cost(supernet.block_graph(context, slot, choice))
    return CostTensor(fixed, choices)


def reachable_operators(supernet: Supernet) -> tuple[Operator, ...]:
    """List every operator that some network of a supernet has, each once, sorted.

    A latency table that holds these predicts every network of the space.
    """
    contexts = range(len(supernet.space.contexts))
    graphs = [
        *map(supernet.stem_graph, contexts),
        *map(supernet.head_graph, contexts),
        *(supernet.block_graph(*place) for place in _places(supernet.space)),
    ]
    return tuple(sorted({operator for graph in graphs for operator in graph.operators}))


def calibration_networks(supernet: Supernet, count: int) -> tuple[Graph, ...]:
    """Choose networks that stand for those of a supernet, to calibrate a latency table with.

    The smallest and the largest, because a search may end near them, and the rest in the middles of
    equally many equal shares of random networks, sorted by multiply-adds: what they show of errors
    holds for networks like them. The choice is always the same one, so a collection that was broken
    off goes on with the same networks.

    Args:
        supernet: gives the space and the graphs.
        count: at least 2; fewer networks come back where the space holds fewer.

    Raises:
        FormatError: ``count`` is below 2.
    """
    if count < 2:
        raise FormatError(f"{count} networks cannot span a range of sizes: ask for 2 or more")
    space = supernet.space
    smallest, largest = space.smallest, space.largest
    drawn = set(map(tuple, space.random(_CANDIDATES, np.random.default_rng(0)).tolist()))
    between = np.array(sorted(drawn - {smallest, largest}), np.int16)
    between = between.reshape(-1, 1 + len(space.slots))
    sizes = compile_cost(supernet, multiply_adds).evaluate(between)
    shares = np.array_split(np.argsort(sizes, kind="stable"), max(1, count - 2))
    middles = [share[len(share) // 2] for share in shares if len(share)] if count > 2 else []
    inner = (tuple(map(int, network)) for network in between[middles])
    return tuple(map(supernet.graph, dict.fromkeys((smallest, *inner, largest))))


def _places(space: SearchSpace) -> Iterator[tuple[int, int, int]]:
    """Yield every (context, slot, choice) that fills a slot."""
    for context in range(len(space.contexts)):
        for slot, described in enumerate(space.slots):
            for choice in range(1, len(described.choices) + 1):
                yield context, slot, choice
