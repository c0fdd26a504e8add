"""Additive costs of a supernet's networks, compiled to one dense array."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..tables.curve import Curve
from ..tables.errors import FormatError, MissingOperatorError
from ..tables.granularity import OPERATORS, Granularity
from ..tables.graph import Graph
from ..tables.kinds import multiply_adds
from ..tables.operator import Operator
from .space import ABSENT, HEAD, STEM, Population
from .supernets.supernet import Supernet

_CANDIDATES = 2000
"""Networks among which those for calibration are chosen."""


@dataclass(frozen=True, slots=True, eq=False)
class CostTensor:
    """The cost of every network of a space: a growing function of a sum over its slots.

    Source: Cai et al., ProxylessNAS, ICLR 2019, section 3.3 (additive latency model).

    Attributes:
        fixed: what every network of a context pays, infinite where that is not known: (contexts,).
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

    @property
    def contexts(self) -> list[int]:
        """The contexts whose networks have a known cost."""
        return [int(context) for context in np.flatnonzero(np.isfinite(self.fixed))]

    def through(self, curve: Curve) -> CostTensor:
        """Take every sum through a curve, such as those of a table's calibration."""
        return replace(self, curve=curve)


def compile_cost(
    supernet: Supernet,
    operator_cost: Callable[[Operator], float],
    granularity: Granularity = OPERATORS,
    *,
    partial: bool = False,
) -> CostTensor:
    """Compile what each operator costs into what each choice of a supernet costs.

    For every network that is the sum over its operators, or over the blocks that they make;
    ``compile_latency`` has the numbers that a table predicts by.

    Args:
        supernet: gives the operators of each choice.
        operator_cost: asked once for each distinct operator that the space can reach.
        granularity: of what ``operator_cost`` knows.
        partial: whether contexts that lack an operator cost infinitely much, instead of raising.

    Raises:
        MissingOperatorError: from ``operator_cost``, when a table does not cover the space.
    """
    known: dict[Operator, float] = {}

    def cost(graph: Graph) -> float:
        units = granularity.units(graph.operators)
        for operator in units:
            if operator not in known:
                known[operator] = operator_cost(operator)
        return math.fsum(known[operator] for operator in units)

    parts = value_parts(supernet, cost, partial=partial)
    return CostTensor(parts.stem + parts.head, parts.choice)


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """What each part of a supernet's networks is worth by itself.

    Attributes:
        stem: infinite in contexts where something is not known: (contexts,).
        head: likewise: (contexts,).
        choice: 0 for an allowed ``ABSENT``, infinite for what the slot cannot be, and perhaps in
            contexts where something is not known: (contexts, slots, highest choice + 1).
    """

    stem: NDArray[np.float64]
    head: NDArray[np.float64]
    choice: NDArray[np.float64]


def value_parts(
    supernet: Supernet, value: Callable[[Graph], float], *, partial: bool = False
) -> Parts:
    """Value the graph of every part that a network of a supernet can have.

    Args:
        supernet: gives the graphs.
        value: of one of them.
        partial: whether contexts that lack an operator are left infinite, instead of raising.

    Raises:
        MissingOperatorError: from ``value``.
    """
    space = supernet.space

    def values(part: str, count: int, graph: Callable[[int, int], Graph]) -> NDArray[np.float64]:
        """Ask for a part's graphs once wherever they differ: (contexts, choices)."""
        firsts, places = np.unique(space.alike(part), return_inverse=True)
        found = np.full((len(firsts), count), np.nan)
        for row, context in zip(found, firsts.tolist(), strict=True):
            with suppress(MissingOperatorError) if partial else nullcontext():
                row[:] = [value(graph(context, choice)) for choice in range(1, count + 1)]
        return found[places]

    stem = values(STEM, 1, lambda context, _: supernet.stem_graph(context))[:, 0]
    head = values(HEAD, 1, lambda context, _: supernet.head_graph(context))[:, 0]
    shape = (len(space.contexts), len(space.slots), int(space.choice_counts.max()) + 1)
    choices = np.full(shape, np.inf)
    choices[:, space.lowest_choices == ABSENT, ABSENT] = 0.0
    for slot, described in enumerate(space.slots):

        def block_graph(context: int, choice: int, slot: int = slot) -> Graph:
            return supernet.block_graph(context, slot, choice)

        count = len(described.choices)
        choices[:, slot, 1 : count + 1] = values(described.name, count, block_graph)
    lacking = np.isnan(choices)
    unknown = lacking.any(axis=(1, 2)) | np.isnan(stem) | np.isnan(head)
    stem[unknown] = head[unknown] = np.inf
    choices[lacking] = np.inf
    return Parts(stem, head, choices)


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
    wanted = np.arange(len(space.contexts)) if contexts is None else np.array([*contexts], np.intp)

    def first(part: str) -> list[int]:
        """List one context for each graph that the part has in those wanted."""
        return list(map(int, np.unique(space.alike(part)[wanted])))

    graphs = [
        *map(supernet.stem_graph, first(STEM)),
        *map(supernet.head_graph, first(HEAD)),
        *(
            supernet.block_graph(context, slot, choice)
            for slot, described in enumerate(space.slots)
            for context in first(described.name)
            for choice in range(1, len(described.choices) + 1)
        ),
    ]
    units = (granularity.units(graph.operators) for graph in graphs)
    return tuple(sorted(set().union(*units)))


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
