"""What the choices of a space have in common, as columns that predictors learn weights for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..space import SearchSpace
from .denoise import Floats
from .features import feature_starts

_TRAIT = re.compile(r"[a-z]+[0-9.]+")
"""What labels of choices are made of: ``k7e6`` has the traits ``k7`` and ``e6``."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of ``one_hot`` that says what stands in a slot.

    Attributes:
        index: of the column.
        slot: its number.
        stage: the number of the slot's stage.
        label: of the choice.
    """

    index: int
    slot: int
    stage: int
    label: str

    @property
    def traits(self) -> Sequence[str]:
        """What the choice is made of: its kernel, its expansion; itself where nothing is known."""
        return _TRAIT.findall(self.label) or [self.label]


def columns(space: SearchSpace) -> list[Column]:
    """List the columns of the slots' choices; those of the context stand before them."""
    stages = [index for index, stage in enumerate(space.stages) for _ in stage]
    starts = feature_starts(space).tolist()
    return [
        Column(index, slot, stage, label)
        for slot, (start, stage) in enumerate(zip(starts, stages, strict=False))
        for index, label in enumerate(space.slots[slot].choices, start)
    ]


_POOLS: Mapping[str, Callable[[Column], Sequence[object]]] = {
    "choice in a slot": lambda column: [(column.slot, column.label)],
    "trait in a slot": lambda column: [(column.slot, trait) for trait in column.traits],
    "slot": lambda column: [column.slot],
    "trait in a stage": lambda column: [(column.stage, trait) for trait in column.traits],
    "stage": lambda column: [column.stage],
    "trait": lambda column: column.traits,
    "blocks": lambda _: [()],
}
"""Of each component, what a choice counts towards."""

COMPONENTS = ("context", "order", *_POOLS)
"""What can be known of a network: its place on each axis of the context, as one of several things
and as a number, and counts of its choices from the most special to the total."""


def pools(space: SearchSpace) -> list[Floats]:
    """Return of each component which columns of ``one_hot`` it counts: (features, counts) each."""
    features, slots = int(feature_starts(space)[-1]), columns(space)
    found = [np.eye(features)[:, : features - len(slots)], _order(space, features)]
    for groups_of in _POOLS.values():
        numbers: dict[object, int] = {}
        for column in slots:
            for group in groups_of(column):
                numbers.setdefault(group, len(numbers))
        pool = np.zeros((features, len(numbers)))
        for column in slots:
            for group in groups_of(column):
                pool[column.index, numbers[group]] = 1
        found.append(pool)
    return found


def _order(space: SearchSpace, features: int) -> Floats:
    """Return where on its axis each column of a context stands, from -1 to 1: (features, axes)."""
    order, first = np.zeros((features, len(space.axis_counts))), 0
    for axis, count in enumerate(space.axis_counts):
        if count > 1:
            order[first : first + count, axis] = np.linspace(-1, 1, count)
        first += count
    return order
