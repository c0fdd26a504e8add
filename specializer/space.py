"""Search spaces as data: contexts × slots × choices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

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


STEM, HEAD = "stem", "head"
"""The parts of every network that are in no slot."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One of several global choices that together are a context.

    Attributes:
        name: for people, such as ``resolution`` or ``stage2.width``.
        labels: of what can be chosen, from the cheapest to the dearest.
        parts: names of the slots, ``STEM`` and ``HEAD`` whose graphs depend on the choice; every
            part where it is None.
    """

    name: str
    labels: tuple[str, ...]
    parts: tuple[str, ...] | None = None


RESOLUTION = "resolution"


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """Every sub-network of a supernet, described by data alone.

    A context is a global choice (an input resolution), a slot a place in the network, a choice
    what may stand there. Slots come in stages: within one, empty slots are the last ones (elastic
    depth keeps the first *d* blocks; Once-for-All, ICLR 2020, section 3.3).

    A sub-network reads ``160:k7e6.k5e4.-.-|k3e3.k3e3.k3e3.-``: the context, then the stages.

    Several global choices (a resolution and the width of each stage) are the axes of one context,
    each of their combinations, so that costs stay sums over slots; ``of_axes`` makes such a space.
    Whatever changes sub-networks step by step changes their ``genes``, in which axes stand apart.

    Attributes:
        name: of the supernet that it belongs to.
        contexts: labels, from the cheapest to the dearest.
        stages: slots by stage, those that cannot be empty first.
        axes: of the contexts, which are their product, the last axis changing fastest; the first is
            the resolution. None where the contexts are the resolutions.

    Raises:
        FormatError: a slot that cannot be empty stands behind one that can, or contexts are not the
            product of their axes, or too many.
    """

    name: str
    contexts: tuple[str, ...]
    stages: tuple[tuple[Slot, ...], ...]
    axes: tuple[Axis, ...] = ()

    def __post_init__(self) -> None:
        if len(self.contexts) != math.prod(self.axis_counts):
            raise FormatError(f"the contexts of {self.name} are not the product of its axes")
        if len(self.contexts) > np.iinfo(np.int16).max:
            raise FormatError(
                f"{self.name} has {len(self.contexts):,} contexts, more than a sub-network can "
                "name; leave out resolutions, or make its axes slots"
            )
        for stage in self.stages:
            for slot in stage[required_slots(stage) :]:
                if not slot.optional:
                    raise FormatError(
                        f"{slot.name} of {self.name} cannot be empty, yet slots before it can; "
                        "a stage begins with the slots that cannot"
                    )

    @classmethod
    def of_axes(
        cls, name: str, axes: tuple[Axis, ...], stages: tuple[tuple[Slot, ...], ...]
    ) -> SearchSpace:
        """Make a space whose contexts are every combination of several global choices."""
        contexts = tuple(map(".".join, product(*(axis.labels for axis in axes))))
        return cls(name, contexts, stages, axes)

    @property
    def context_axes(self) -> tuple[Axis, ...]:
        """The axes of the contexts; where none are named, the contexts are one."""
        return self.axes or (Axis(RESOLUTION, self.contexts),)

    @property
    def axis_counts(self) -> tuple[int, ...]:
        """How many values each axis has."""
        return tuple(len(axis.labels) for axis in self.context_axes)

    def axis_places(self) -> NDArray[np.intp]:
        """Return each context's place on each axis, counted from 0: (contexts, axes)."""
        counts = self.axis_counts
        places: NDArray[np.intp] = np.indices(counts, np.intp).reshape(len(counts), -1).T
        return places

    def alike(self, part: str) -> NDArray[np.intp]:
        """Return for each context the first one in which a part's graph is the same: (contexts,).

        Args:
            part: the name of a slot, ``STEM`` or ``HEAD``.
        """
        places = self.axis_places().T
        for row, axis in zip(places, self.context_axes, strict=True):
            if axis.parts is not None and part not in axis.parts:
                row[:] = 0
        first: NDArray[np.intp] = np.ravel_multi_index(tuple(places), self.axis_counts)
        return first

    def one_by_one(self) -> list[int]:
        """List contexts with every value of every axis, the others at their dearest."""
        counts = self.axis_counts
        places = [
            [*(count - 1 for count in counts[:axis]), value, *(c - 1 for c in counts[axis + 1 :])]
            for axis, count in enumerate(counts)
            for value in range(count)
        ]
        contexts = np.ravel_multi_index(tuple(np.array(places).T), counts)
        return list(dict.fromkeys(contexts.tolist()))

    def genes(self, population: Population) -> Population:
        """Take contexts apart: (n, axes + slots), the same where there is one axis."""
        if len(self.axis_counts) == 1:
            return population
        places = np.unravel_index(population[:, 0], self.axis_counts)
        return np.column_stack([*places, population[:, 1:]]).astype(np.int16)

    def networks(self, genes: Population) -> Population:
        """Put contexts together again: (n, 1 + slots) of what ``genes`` made."""
        axes = len(self.axis_counts)
        if axes == 1:
            return genes
        contexts = np.ravel_multi_index(tuple(genes[:, :axes].T), self.axis_counts)
        return np.column_stack([contexts, genes[:, axes:]]).astype(np.int16)

    @property
    def gene_bounds(self) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
        """The lowest and the highest value of each gene: (axes + slots,), twice."""
        counts = np.array(self.axis_counts, np.int16)
        return (
            np.concatenate([np.zeros_like(counts), self.lowest_choices]),
            np.concatenate([counts - np.int16(1), self.choice_counts]),
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
