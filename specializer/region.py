"""Regions: parts of a search space, split along one elastic dimension.

Source: Zhao et al., Few-shot neural architecture search, ICML 2021: sub-networks that share weights
with fewer others disturb each other less, so several supernets rank them better than one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..tables.errors import FormatError
from .space import ABSENT, Population, SearchSpace, Slot, SubNetwork, required_slots

_CHUNK = 64
_FRUITLESS = 500
"""After so many chunks without a new sub-network, no more of them are looked for."""
_DEPTH = ".depth"


@dataclass(frozen=True, slots=True)
class Region:
    """The sub-networks that have one of some values in one dimension; reads ``stage3.depth=2,3``.

    Attributes:
        dimension: ``resolution`` or another axis of the contexts, the depth of a stage such as
            ``stage3.depth``, or a slot that is never empty, such as ``stage3.block1``.
        values: of the axis, depths or choices, as the space names them.
    """

    dimension: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.dimension}={','.join(self.values)}"

    @classmethod
    def parse(cls, text: str, space: SearchSpace) -> Region:
        """Read back what ``str(region)`` wrote.

        Raises:
            FormatError: it is no region of the space; says what there is.
        """
        dimension, _, values = text.partition("=")
        known = dimension_values(space, dimension)
        chosen = tuple(values.split(","))
        if unknown := sorted(set(chosen) - set(known)):
            raise FormatError(
                f"{dimension} of {space.name} cannot be {', '.join(map(repr, unknown))}: "
                f"{', '.join(known)}"
            )
        return cls(dimension, chosen)

    def contains(self, space: SearchSpace, population: Population) -> NDArray[np.bool_]:
        """Tell of each sub-network whether it belongs to the region: (n,)."""
        known = dimension_values(space, self.dimension)
        wanted = [known.index(value) for value in self.values]
        return np.isin(_places(space, self.dimension, population), wanted)

    def nearest(self, space: SearchSpace, subnetwork: SubNetwork, *, largest: bool) -> SubNetwork:
        """Bring an extreme sub-network of the space into the region.

        Args:
            space: of the sub-network.
            subnetwork: the largest or the smallest that there is, of any resolution.
            largest: which of the two.

        Returns:
            The same, but for the dimension: that is the last or first of the region's values.
        """
        known = dimension_values(space, self.dimension)
        places = [known.index(value) for value in self.values]
        place, changed = (max if largest else min)(places), list(subnetwork)
        if (axis := _axis(space, self.dimension)) is not None:
            genes = space.genes(np.array([subnetwork], np.int16)).copy()
            if genes[0, axis] not in places:
                genes[0, axis] = place
            changed[0] = int(space.networks(genes)[0, 0])
        elif self.dimension.endswith(_DEPTH):
            first, stage = _stage(space, self.dimension)
            depth = required_slots(stage) + place
            filler = changed[first] or 1
            for index, slot in enumerate(stage):
                kept = changed[first + index] or min(filler, len(slot.choices))
                changed[first + index] = kept if index < depth else ABSENT
        else:
            names = [slot.name for slot in space.slots]
            changed[1 + names.index(self.dimension)] = place + 1
        return tuple(changed)


def split(space: SearchSpace, dimension: str) -> tuple[Region, ...]:
    """Split a space: every sub-network belongs to exactly one of the regions.

    Raises:
        FormatError: the space has no such dimension; says which it has.
    """
    return tuple(Region(dimension, (value,)) for value in dimension_values(space, dimension))


def extremes(space: SearchSpace, region: str = "") -> list[SubNetwork]:
    """Return the largest and the smallest sub-network of a space, or of a region of it."""
    if not region:
        return [space.largest, space.smallest]
    wanted = Region.parse(region, space)
    return [
        wanted.nearest(space, space.largest, largest=True),
        wanted.nearest(space, space.smallest, largest=False),
    ]


def draw_subnetworks(
    space: SearchSpace, count: int, rng: np.random.Generator, region: str = ""
) -> list[SubNetwork]:
    """Draw different random sub-networks of a space, or of a region of it.

    With generators of one seed, more of them begin with the same ones: a longer run goes on where
    a shorter one ended.

    Raises:
        FormatError: so many were not found, or there is no such region.
    """
    wanted = Region.parse(region, space) if region else None
    drawn: dict[SubNetwork, None] = {}
    fruitless = 0
    while len(drawn) < count:
        population = space.random(_CHUNK, rng)
        if wanted is not None:
            population = population[wanted.contains(space, population)]
        known = len(drawn)
        drawn.update(dict.fromkeys(tuple(row) for row in population.tolist()))
        fruitless = fruitless + 1 if len(drawn) == known else 0
        if fruitless == _FRUITLESS:
            where = f"{space.name} {region}".rstrip()
            raise FormatError(
                f"{where} has too few sub-networks to draw {count} different ones; "
                f"{known} were found, ask for fewer"
            )
    return list(drawn)[:count]


def extremes_and_random(
    space: SearchSpace, count: int, rng: np.random.Generator, region: str = ""
) -> list[SubNetwork]:
    """Return the largest, the smallest, and ``count`` random ones that are neither.

    Raises:
        FormatError: as ``draw_subnetworks``.
    """
    first = dict.fromkeys(extremes(space, region))
    drawn = draw_subnetworks(space, count + len(first), rng, region)
    return list(first | dict.fromkeys(drawn))[: count + len(first)]


def dimensions(space: SearchSpace) -> tuple[str, ...]:
    """List what a space can be split by."""
    depths = [f"{_stage_name(stage)}{_DEPTH}" for stage in space.stages]
    slots = [slot.name for slot in space.slots if not slot.optional]
    return (*(axis.name for axis in space.context_axes), *depths, *slots)


def dimension_values(space: SearchSpace, dimension: str) -> tuple[str, ...]:
    """List what a dimension can be, in order; FormatError when the space has no such dimension."""
    if (axis := _axis(space, dimension)) is not None:
        return space.context_axes[axis].labels
    for stage in space.stages:
        if dimension == f"{_stage_name(stage)}{_DEPTH}":
            return tuple(map(str, range(required_slots(stage), len(stage) + 1)))
    for slot in space.slots:
        if dimension == slot.name and not slot.optional:
            return slot.choices
    raise FormatError(
        f"{space.name} cannot be split by {dimension!r}: {', '.join(dimensions(space))}"
    )


def _places(space: SearchSpace, dimension: str, population: Population) -> NDArray[np.intp]:
    """Return which of the dimension's values each sub-network has, counted from 0: (n,)."""
    if (axis := _axis(space, dimension)) is not None:
        return space.genes(population)[:, axis].astype(np.intp)
    if dimension.endswith(_DEPTH):
        first, stage = _stage(space, dimension)
        filled = (population[:, first : first + len(stage)] != ABSENT).sum(axis=1)
        depths: NDArray[np.intp] = filled.astype(np.intp) - required_slots(stage)
        return depths
    slot = [slot.name for slot in space.slots].index(dimension)
    choices: NDArray[np.intp] = population[:, 1 + slot].astype(np.intp) - 1
    return choices


def _axis(space: SearchSpace, dimension: str) -> int | None:
    """Return which axis of the contexts a dimension is, if it is one."""
    names = [axis.name for axis in space.context_axes]
    return names.index(dimension) if dimension in names else None


def _stage(space: SearchSpace, dimension: str) -> tuple[int, tuple[Slot, ...]]:
    """Return where the stage of a depth begins in a sub-network, and its slots."""
    first = 1
    for stage in space.stages:
        if dimension == f"{_stage_name(stage)}{_DEPTH}":
            return first, stage
        first += len(stage)
    raise FormatError(f"{space.name} has no {dimension}")


def _stage_name(stage: Sequence[Slot]) -> str:
    return stage[0].name.partition(".")[0]
