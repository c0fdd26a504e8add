"""What every supernet is, as data: its space, and the graph of any part of it."""

from __future__ import annotations

from typing import Protocol

from ...tables.graph import Graph, Weights
from ..space import SearchSpace, SubNetwork


class Supernet(Protocol):
    """A supernet whose networks are a stem, the blocks in the slots, and a head.

    A block's graph depends on its context, slot and choice alone, never on what stands in other
    slots: this is what makes the cost of a network a sum. The stem's graph, then those of the
    filled slots, then the head's hold the same operators as the graph of the whole, and the same
    blocks (``tables.granularity``): none reaches from one of them into the next.
    """

    @property
    def space(self) -> SearchSpace:
        """Every sub-network there is."""
        ...

    def stem_graph(self, context: int) -> Graph:
        """Build what stands before the slots."""
        ...

    def block_graph(self, context: int, slot: int, choice: int) -> Graph:
        """Build what a choice (1, 2, …) puts into a slot (0, 1, …)."""
        ...

    def head_graph(self, context: int) -> Graph:
        """Build what stands behind the slots."""
        ...

    def graph(self, subnetwork: SubNetwork, weights: Weights | None = None) -> Graph:
        """Build a whole network, with its weights where they are given."""
        ...
