"""Batches: which models the agent has at once, and measures in turns."""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np

from .packs import Model

Key = TypeVar("Key", bound=Hashable)

ENOUGH_MB = 48.0
"""Memory that is touched between two inferences of an operator, so that it is found cold.

More than the last-level caches of phones and boards, and than what one core of a server gets of a
shared one (16-32 MB). docs/measuring.md has what other amounts gave.
"""

VISITS = 4
"""How often an item that is timed alone is visited in a pass, for a part of its time each.

How much of a last-level cache the neighbours on the same processor take changes from second to
second, and with it the latency of a whole network, by some percent; so does where in memory a model
comes to lie. Four visits at different moments, each with a load of its own, know more than one.
"""

_MOST_MODELS = 128


@dataclass(frozen=True, slots=True)
class Item(Generic[Key]):
    """A model to be timed.

    Attributes:
        key: unique among the items.
        content: makes the model's content, or a file of it; asked for once in every pass.
        memory_mb: that its weights and activations take, in megabytes.
        alone: whether it is timed by itself, again and again, as whole networks are; operators are
            timed in turns, cold.
    """

    key: Key
    content: Callable[[], Model]
    memory_mb: float
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Batch(Generic[Key]):
    """Items that are timed together: one that is timed alone, or any number of others.

    Attributes:
        items: to be timed.
        enough_mb: memory that is touched between two inferences of an item.
    """

    items: tuple[Item[Key], ...]
    enough_mb: float = ENOUGH_MB

    @property
    def alone(self) -> bool:
        """Whether it holds one item that is timed by itself."""
        return self.items[0].alone

    @property
    def evict_mb(self) -> float:
        """How much other memory is to be read before each round, in megabytes."""
        return max(0.0, self.enough_mb - sum(item.memory_mb for item in self.items))

    def without(self, keys: Container[Key]) -> Batch[Key]:
        """Return the batch without some items."""
        return replace(self, items=tuple(item for item in self.items if item.key not in keys))

    def halves(self) -> tuple[Batch[Key], Batch[Key]]:
        """Split the batch in two."""
        middle = len(self.items) // 2
        first, second = self.items[:middle], self.items[middle:]
        return replace(self, items=first), replace(self, items=second)


def make_batches(
    items: Sequence[Item[Key]], rng: np.random.Generator, enough_mb: float = ENOUGH_MB
) -> list[Batch[Key]]:
    """Put operators into batches of enough memory, every network into some of its own, at random.

    Args:
        items: in any order.
        rng: decides what comes together, and the order of the batches.
        enough_mb: memory to be touched between two inferences of an operator.
    """
    batches: list[Batch[Key]] = []
    together: list[Item[Key]] = []
    memory_mb = 0.0
    for index in rng.permutation(len(items)):
        item = items[index]
        if item.alone:
            batches += [Batch((item,))] * VISITS
            continue
        together.append(item)
        memory_mb += item.memory_mb
        if memory_mb >= enough_mb or len(together) == _MOST_MODELS:
            batches.append(Batch(tuple(together), enough_mb))
            together, memory_mb = [], 0.0
    if together:
        batches.append(Batch(tuple(together), enough_mb))
    return [batches[index] for index in rng.permutation(len(batches))]
