"""Additive costs of a supernet's networks, compiled to one dense array."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..tables.errors import FormatError, MissingOperatorError
from ..tables.granularity import OPERATORS, Granularity
from ..tables.graph import Graph
from ..tables.kinds import multiply_adds
from ..tables.operator import Operator
from .space import ABSENT, Population, SearchSpace
from .supernets.supernet import Supernet

_CANDIDATES = 2000
"""Networks among which those for calibration are chosen."""


@dataclass(frozen=True, slots=True, eq=False)
class CostTensor:
    """The cost of every network of a space, as a sum over its slots.

    Source: Cai et al., ProxylessNAS, ICLR 2019, section 3.3 (additive latency model).

    Attributes:
        fixed: what every network of a context pays, infinite where that is not known: (contexts,).
        choice: what each choice adds; 0 for an allowed ``ABSENT``, infinite for what the slot
            cannot be: (contexts, slots, highest choice + 1).
    """

    fixed: NDArray[np.float64]
    choice: NDArray[np.float64]

    def evaluate(self, population: Population) -> NDArray[np.float64]:
        """Return each network's cost: (n,)."""
        contexts, choices = population[:, 0], population[:, 1:]
        slots = np.arange(choices.shape[1])
        added = self.choice[contexts[:, None], slots, choices]
        # In one layout sums are taken in one order: a network costs the same to the last digit
        # whatever array it stands in, and meets a budget everywhere or nowhere.
        total: NDArray[np.float64] = np.ascontiguousarray(added).sum(axis=1)
        return self.fixed[contexts] + total

    @property
    def contexts(self) -> list[int]:
        """The contexts whose networks have a known cost."""
        return [int(context) for context in np.flatnonzero(np.isfinite(self.fixed))]

    def scaled(self, factor: float) -> CostTensor:
        """Multiply every cost by ``factor``, as a new measurement of whole networks may ask for."""
        return CostTensor(self.fixed * factor, self.choice * factor)


def compile_cost(
    supernet: Supernet,
    operator_cost: Callable[[Operator], float],
    scale: float = 1.0,
    offset: float = 0.0,
    granularity: Granularity = OPERATORS,
    *,
    partial: bool = False,
) -> CostTensor:
    """Compile what each operator costs into what each choice of a supernet costs.

    For every network that is the sum over its operators, or over the blocks that they make, times
    the scale, plus the offset; ``compile_latency`` has the numbers that a table predicts by.

    Args:
        supernet: gives the operators of each choice.
        operator_cost: asked once for each distinct operator that the space can reach.
        scale: of every cost.
        offset: of every network's cost.
        granularity: of what ``operator_cost`` knows.
        partial: whether contexts that lack an operator cost infinitely much, instead of raising.

    Raises:
        MissingOperatorError: from ``operator_cost``, when a table does not cover the space.
    """
    space = supernet.space
    known: dict[Operator, float] = {}

    def cost(graph: Graph) -> float:
        units = granularity.units(graph.operators)
        for operator in units:
            if operator not in known:
                known[operator] = scale * operator_cost(operator)
        return math.fsum(known[operator] for operator in units)

    fixed = np.full(len(space.contexts), np.inf)
    shape = (len(space.contexts), len(space.slots), int(space.choice_counts.max()) + 1)
    choices = np.full(shape, np.inf)
    choices[:, space.lowest_choices == ABSENT, ABSENT] = 0.0

    def fill(context: int) -> None:
        ends = (cost(supernet.stem_graph(context)), cost(supernet.head_graph(context)), offset)
        for slot, choice in _places(space):
            choices[context, slot, choice] = cost(supernet.block_graph(context, slot, choice))
        fixed[context] = math.fsum(ends)

    for context in range(len(space.contexts)):
        with suppress(MissingOperatorError) if partial else nullcontext():
            fill(context)
    return CostTensor(fixed, choices)


def reachable_operators(
    supernet: Supernet,
    granularity: Granularity = OPERATORS,
    contexts: Iterable[int] | None = None,
) -> tuple[Operator, ...]:
    """List every operator that some network of a supernet has, each once, sorted.

    A latency table that holds these predicts every network of the space.

    Args:
        supernet: gives the operators of each choice.
        granularity: whether operators are listed, or the blocks that they make with what is in
            none.
        contexts: of the networks; all when left out.
    """
    space = supernet.space
    graphs = [
        graph
        for context in (range(len(space.contexts)) if contexts is None else contexts)
        for graph in (
            supernet.stem_graph(context),
            supernet.head_graph(context),
            *(supernet.block_graph(context, *place) for place in _places(space)),
        )
    ]
    units = (granularity.units(graph.operators) for graph in graphs)
    return tuple(sorted(set().union(*units)))


def calibration_networks(supernet: Supernet, count: int) -> tuple[Graph, ...]:
    """Choose networks that span a supernet's range of sizes, to calibrate a latency table with.

    The smallest, the largest, and between them those nearest to equal steps of the logarithm of
    the multiply-adds: a relative error then weighs the same at every size. The choice is always
    the same one, so a collection that was broken off goes on with the same networks.

    Args:
        supernet: gives the space and the graphs.
        count: at least 2; fewer networks come back where the space holds fewer.

    Raises:
        FormatError: ``count`` is below 2.
    """
    if count < 2:
        raise FormatError(f"{count} networks cannot span a range of sizes: ask for 2 or more")
    space = supernet.space
    drawn = space.random(_CANDIDATES, np.random.default_rng(0))
    ends = np.array([space.smallest, space.largest], np.int16)
    candidates = np.unique(np.concatenate([ends, drawn]), axis=0)
    sizes = np.log(compile_cost(supernet, multiply_adds).evaluate(candidates))
    chosen: list[int] = []
    for target in np.linspace(sizes.min(), sizes.max(), min(count, len(candidates))):
        distance = np.abs(sizes - target)
        distance[chosen] = np.inf
        chosen.append(int(distance.argmin()))
    return tuple(supernet.graph(tuple(map(int, candidates[index]))) for index in chosen)


def _places(space: SearchSpace) -> Iterator[tuple[int, int]]:
    """Yield every (slot, choice) that fills a slot."""
    for slot, described in enumerate(space.slots):
        for choice in range(1, len(described.choices) + 1):
            yield slot, choice
