"""Search spaces as data: contexts × slots × choices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..tables.errors import FormatError

ABSENT = 0
"""The choice that leaves a slot empty. Every other choice counts from 1."""

SubNetwork = tuple[int, ...]
"""One network of a space: the context's index, then one choice per slot."""

Population = NDArray[np.int16]
"""Many sub-networks, one a row: (n, 1 + slots)."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in the network, and what may stand there.

    Attributes:
        name: for people, such as ``stage2.block3``.
        choices: labels of the choices 1, 2, …, from the cheapest to the dearest.
        optional: whether the slot may be ``ABSENT``.
    """

    name: str
    choices: tuple[str, ...]
    optional: bool = False


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """Every sub-network of a supernet, described by data alone.

    A context is a global choice (an input resolution), a slot a place in the network, a choice
    what may stand there. Slots come in stages: within one, empty slots are the last ones (elastic
    depth keeps the first *d* blocks; Once-for-All, ICLR 2020, section 3.3).

    A sub-network reads ``160:k7e6.k5e4.-.-|k3e3.k3e3.k3e3.-``: the context, then the stages.

    Attributes:
        name: of the supernet that it belongs to.
        contexts: labels, from the cheapest to the dearest.
        stages: slots by stage, those that cannot be empty first.

    Raises:
        FormatError: a slot that cannot be empty stands behind one that can.
    """

    name: str
    contexts: tuple[str, ...]
    stages: tuple[tuple[Slot, ...], ...]

    def __post_init__(self) -> None:
        for stage in self.stages:
            for slot in stage[required_slots(stage) :]:
                if not slot.optional:
                    raise FormatError(
                        f"{slot.name} of {self.name} cannot be empty, yet slots before it can; "
                        "a stage begins with the slots that cannot"
                    )

    @property
    def slots(self) -> tuple[Slot, ...]:
        """All slots in the order in which a sub-network lists them."""
        return tuple(slot for stage in self.stages for slot in stage)

    @property
    def choice_counts(self) -> NDArray[np.int16]:
        """The highest choice of each slot: (slots,)."""
        return np.array([len(slot.choices) for slot in self.slots], np.int16)

    @property
    def lowest_choices(self) -> NDArray[np.int16]:
        """The lowest choice of each slot: ``ABSENT`` where that is allowed, else 1: (slots,)."""
        return np.array([ABSENT if slot.optional else 1 for slot in self.slots], np.int16)

    @property
    def size(self) -> int:
        """How many different sub-networks there are."""
        return len(self.contexts) * math.prod(map(_stage_size, self.stages))

    @property
    def largest(self) -> SubNetwork:
        """The last context with the dearest choice in every slot."""
        return (len(self.contexts) - 1, *map(int, self.choice_counts))

    @property
    def smallest(self) -> SubNetwork:
        """The first context with the cheapest choice in every slot that cannot be empty."""
        return (0, *map(int, self.lowest_choices))

    def random(self, count: int, rng: np.random.Generator) -> Population:
        """Draw sub-networks: context, depths and choices each uniform and independent."""
        population = rng.integers(
            1, self.choice_counts + 1, (count, len(self.slots)), dtype=np.int16
        )
        first = 0
        for stage in self.stages:
            depth = rng.integers(required_slots(stage), len(stage) + 1, count)
            population[:, first : first + len(stage)] *= np.arange(len(stage)) < depth[:, None]
            first += len(stage)
        contexts = rng.integers(0, len(self.contexts), (count, 1), dtype=np.int16)
        return np.concatenate([contexts, population], axis=1)

    def repair(self, population: Population) -> Population:
        """Empty every slot that follows an empty one in its stage; a new array."""
        repaired: Population = population.copy()
        first = 1
        for stage in self.stages:
            block = repaired[:, first : first + len(stage)]
            block *= np.logical_and.accumulate(block != ABSENT, axis=1)
            first += len(stage)
        return repaired

    def text(self, subnetwork: SubNetwork) -> str:
        """Write a sub-network for people, files and command lines."""
        self.check(subnetwork)
        context, *choices = subnetwork
        taken = iter(choices)
        stages = (
            ".".join("-" if not (c := next(taken)) else slot.choices[c - 1] for slot in stage)
            for stage in self.stages
        )
        return f"{self.contexts[context]}:{'|'.join(stages)}"

    def parse(self, text: str) -> SubNetwork:
        """Read back what ``text`` wrote; FormatError when it is no sub-network of this space."""
        context, colon, rest = text.partition(":")
        labels = rest.replace("|", ".").split(".")
        if not colon or context not in self.contexts or len(labels) != len(self.slots):
            raise FormatError(
                f"{text!r} is no sub-network of {self.name}; one reads {self.text(self.largest)}"
            )
        choices = [ABSENT] * len(labels)
        for index, (label, slot) in enumerate(zip(labels, self.slots, strict=True)):
            if label != "-" and label not in slot.choices:
                raise FormatError(f"{slot.name} cannot be {label!r}: {', '.join(slot.choices)}")
            choices[index] = ABSENT if label == "-" else slot.choices.index(label) + 1
        subnetwork = (self.contexts.index(context), *choices)
        self.check(subnetwork)
        return subnetwork

    def check(self, subnetwork: Sequence[int]) -> None:
        """Raise FormatError unless this is a sub-network of the space."""
        context, *choices = subnetwork
        row = np.array([subnetwork], np.int16)
        if (
            len(choices) != len(self.slots)
            or not 0 <= context < len(self.contexts)
            or np.any(choices < self.lowest_choices)
            or np.any(choices > self.choice_counts)
            or not np.array_equal(self.repair(row), row)
        ):
            raise FormatError(f"{tuple(subnetwork)} is no sub-network of {self.name}")


def required_slots(stage: Sequence[Slot]) -> int:
    """Count the slots of a stage that cannot be empty; they are its first ones."""
    return sum(not slot.optional for slot in stage)


def _stage_size(stage: tuple[Slot, ...]) -> int:
    """Count a stage's fillings: of each depth as many as its slots have choices, multiplied."""
    counts = [len(slot.choices) for slot in stage]
    depths = range(required_slots(stage), len(stage) + 1)
    return sum(math.prod(counts[:depth]) for depth in depths)
