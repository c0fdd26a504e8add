"""Batches: which models the agent has at once, and measures in turns."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..tables.subject import Network, Subject
from .plan import Target

ENOUGH_MB = 48.0
"""Memory that is touched between two inferences of an operator, so that it is found cold.

More than the last-level caches of phones and boards, and than what one core of a server gets of a
shared one (16-32 MB). On our host, 24 and 48 MB gave the same latencies, 6 MB others.
"""

_MOST_MODELS = 128


@dataclass(frozen=True, slots=True)
class Batch:
    """Targets that are measured together.

    Attributes:
        targets: operators and frames, or one network.
        cold: whether they run in turns, and memory is read in between.
    """

    targets: tuple[Target, ...]
    cold: bool

    @property
    def evict_mb(self) -> float:
        """How much other memory is to be read before each round, in megabytes."""
        return max(0.0, ENOUGH_MB - sum(target.memory_mb for target in self.targets))

    def without(self, subjects: Container[Subject]) -> Batch:
        """Return the batch without some subjects."""
        kept = tuple(target for target in self.targets if target.subject not in subjects)
        return replace(self, targets=kept)

    def halves(self) -> tuple[Batch, Batch]:
        """Split the batch in two."""
        middle = len(self.targets) // 2
        return (
            replace(self, targets=self.targets[:middle]),
            replace(self, targets=self.targets[middle:]),
        )


def make_batches(targets: Sequence[Target], rng: np.random.Generator) -> list[Batch]:
    """Put operators into batches of enough memory, every network into one of its own, at random.

    Args:
        targets: in any order.
        rng: decides what comes together, and the order of the batches.
    """
    shuffled = [targets[index] for index in rng.permutation(len(targets))]
    batches: list[Batch] = []
    together: list[Target] = []
    memory_mb = 0.0
    for target in shuffled:
        if isinstance(target.subject, Network):
            batches.append(Batch((target,), cold=False))
            continue
        together.append(target)
        memory_mb += target.memory_mb
        if memory_mb >= ENOUGH_MB or len(together) == _MOST_MODELS:
            batches.append(Batch(tuple(together), cold=True))
            together, memory_mb = [], 0.0
    if together:
        batches.append(Batch(tuple(together), cold=True))
    return [batches[index] for index in rng.permutation(len(batches))]
