"""Which sub-networks one step of training computes."""

from __future__ import annotations

import numpy as np

from ...tables.errors import FormatError
from ..region import Region
from ..space import ABSENT, SubNetwork
from ..supernets.mobilenet_v3 import CHOICES, MAX_DEPTH, STRIDES, MobileNetV3
from .recipe import Phase, Recipe

_TRIES = 10_000
"""A phase and a region that have nothing in common are noticed after so many draws."""


def step_subnetworks(
    spec: MobileNetV3, recipe: Recipe, phase: Phase, step: int, rng: np.random.Generator
) -> tuple[SubNetwork, ...]:
    """Draw the sub-networks that one batch trains, all at one resolution.

    The first one is the largest that the phase trains, where the batch has it, so that it can
    teach the others.

    Args:
        spec: of the supernet.
        recipe: names the region, where only a part of the space is trained.
        phase: what sub-networks may have.
        step: of the phase, counted from 0; extremes in turns go by it.
        rng: of every draw.

    Raises:
        FormatError: the phase and the region have no sub-network in common.
    """
    space = spec.space
    if phase.only:
        return (space.parse(phase.only[step % len(phase.only)]),)
    region = Region.parse(recipe.region, space) if recipe.region else None
    drawn = [_draw(spec, phase, region, None, rng)]
    context = drawn[0][0]
    drawn += [_draw(spec, phase, region, context, rng) for _ in range(phase.random_per_step - 1)]
    drawn = drawn[: phase.random_per_step]
    largest = phase.extremes_per_step == 2 or (phase.extremes_per_step == 1 and step % 2 == 0)
    smallest = phase.extremes_per_step == 2 or (phase.extremes_per_step == 1 and step % 2 == 1)
    if largest:
        drawn.insert(0, extreme_subnetwork(spec, recipe, phase, context, largest=True))
    if smallest:
        drawn.append(extreme_subnetwork(spec, recipe, phase, context, largest=False))
    return tuple(drawn)


def teaches(phase: Phase, step: int) -> bool:
    """Whether a step begins with the largest sub-network, so that it teaches the others."""
    return not phase.only and (
        phase.extremes_per_step == 2 or (phase.extremes_per_step == 1 and step % 2 == 0)
    )


def extreme_subnetwork(
    spec: MobileNetV3, recipe: Recipe, phase: Phase, context: int, *, largest: bool
) -> SubNetwork:
    """Return the largest or the smallest sub-network that a phase trains at one resolution.

    Where the recipe's region lacks the resolution, it is one that the region has.
    """
    pick = max if largest else min
    choice = CHOICES.index((pick(phase.kernels), pick(phase.expansions))) + 1
    depth = MAX_DEPTH if largest else phase.min_depth
    stage = [choice if place < depth else ABSENT for place in range(MAX_DEPTH)]
    whole = (context, *stage * len(STRIDES))
    if not recipe.region:
        return whole
    return Region.parse(recipe.region, spec.space).nearest(spec.space, whole, largest=largest)


def _draw(
    spec: MobileNetV3,
    phase: Phase,
    region: Region | None,
    context: int | None,
    rng: np.random.Generator,
) -> SubNetwork:
    """Draw one sub-network that the phase and the region allow."""
    for _ in range(_TRIES):
        drawn = _draw_freely(spec, phase, context, rng)
        if region is None or region.contains(spec.space, np.array([drawn], np.int16))[0]:
            return drawn
    raise FormatError(
        f"the phase {phase.name} has no sub-network in the region {region}; change one of them"
    )


def _draw_freely(
    spec: MobileNetV3, phase: Phase, context: int | None, rng: np.random.Generator
) -> SubNetwork:
    size = int(rng.integers(0, len(spec.resolutions))) if context is None else context
    depths = rng.integers(phase.min_depth, MAX_DEPTH + 1, len(STRIDES))
    shape = (len(STRIDES), MAX_DEPTH)
    kernels, expansions = rng.choice(phase.kernels, shape), rng.choice(phase.expansions, shape)
    return (
        size,
        *(
            CHOICES.index((int(kernels[stage, place]), int(expansions[stage, place]))) + 1
            if place < depths[stage]
            else ABSENT
            for stage in range(len(STRIDES))
            for place in range(MAX_DEPTH)
        ),
    )
