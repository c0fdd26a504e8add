"""Recipes: what a supernet's training does, phase by phase, as data.

Source: Cai et al., Once-for-All, ICLR 2020, section 3.4 (progressive shrinking).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..space import ABSENT, SubNetwork
from ..supernets.mobilenet_v3 import CHOICES, MAX_DEPTH, STRIDES, MobileNetV3


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of progressive shrinking.

    Attributes:
        kernels: sizes that sub-networks may have in this phase.
        min_depth: blocks that every stage keeps.
        expansions: ratios that sub-networks may have in this phase.
        random_per_step: sub-networks drawn for each batch.
        extreme: whether each batch also trains the phase's largest or smallest, in turns (the
            sandwich rule; Yu et al., BigNAS, ECCV 2020, section 3.1).
        sort_channels: whether channels are sorted by importance before the phase begins.
    """

    name: str
    epochs: int
    learning_rate: float
    kernels: tuple[int, ...] = (3, 5, 7)
    min_depth: int = 2
    expansions: tuple[int, ...] = (3, 4, 6)
    random_per_step: int = 1
    extreme: bool = False
    sort_channels: bool = False


@dataclass(frozen=True, slots=True)
class Recipe:
    """A whole training run; recorded with its result.

    Attributes:
        held_out: training images kept aside for choosing between sub-networks.
        label_smoothing: share of the hard label spread over all classes.
        teacher_share: share of the target that is the teacher's answer.
        temperature: what the teacher's logits are divided by.
        teacher_resolution: in pixels.
    """

    name: str
    phases: tuple[Phase, ...]
    width: float = 1.0
    resolutions: tuple[int, ...] = (96, 112, 128, 144, 160)
    batch_size: int = 64
    weight_decay: float = 0.05
    warmup_steps: int = 60
    label_smoothing: float = 0.1
    teacher_share: float = 0.5
    temperature: float = 2.0
    teacher_resolution: int = 192
    held_out: int = 1000
    seed: int = 0


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "imagenette",
            (
                Phase("full", 2, 2e-3, (7,), 4, (6,)),
                Phase("kernel", 1, 1e-3, (3, 5, 7), 4, (6,)),
                Phase("depth", 2, 1e-3, (3, 5, 7), 2, (6,), extreme=True),
                Phase("width", 4, 1e-3, extreme=True, sort_channels=True),
            ),
        ),
        Recipe(
            "smoke",
            (
                Phase("full", 1, 2e-3, (7,), 4, (6,)),
                Phase("kernel", 1, 1e-3, (3, 5, 7), 4, (6,)),
                Phase("depth", 1, 1e-3, (3, 5, 7), 2, (6,), extreme=True),
                Phase("width", 1, 1e-3, extreme=True, sort_channels=True),
            ),
            resolutions=(32, 48),
            batch_size=8,
            warmup_steps=2,
            teacher_resolution=32,
            held_out=8,
        ),
    )
}


def step_subnetworks(
    spec: MobileNetV3, phase: Phase, step: int, rng: np.random.Generator
) -> list[SubNetwork]:
    """Draw the sub-networks that one batch trains, all at one random resolution.

    The first one is the phase's largest where the batch has it, so that it can teach the others.
    """
    context = int(rng.integers(0, len(spec.resolutions)))
    chosen = [_draw(phase, context, rng) for _ in range(phase.random_per_step)]
    if not phase.extreme:
        return chosen
    if step % 2 == 0:
        return [extreme_subnetwork(phase, context, largest=True), *chosen]
    return [*chosen, extreme_subnetwork(phase, context, largest=False)]


def extreme_subnetwork(phase: Phase, context: int, *, largest: bool) -> SubNetwork:
    """Return the largest or the smallest sub-network that a phase trains."""
    pick = max if largest else min
    choice = CHOICES.index((pick(phase.kernels), pick(phase.expansions))) + 1
    depth = MAX_DEPTH if largest else phase.min_depth
    stage = [choice if place < depth else ABSENT for place in range(MAX_DEPTH)]
    return (context, *stage * len(STRIDES))


def learning_rate(recipe: Recipe, phase: Phase, step: int, steps: int) -> float:
    """Return the rate at a step of a phase: a linear warm-up, then half a cosine down to zero."""
    if step < recipe.warmup_steps:
        return phase.learning_rate * (step + 1) / recipe.warmup_steps
    done = (step - recipe.warmup_steps) / max(1, steps - recipe.warmup_steps)
    return phase.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def _draw(phase: Phase, context: int, rng: np.random.Generator) -> SubNetwork:
    return (context, *_draw_choices(phase, rng))


def _draw_choices(phase: Phase, rng: np.random.Generator) -> Iterator[int]:
    for _ in STRIDES:
        depth = int(rng.integers(phase.min_depth, MAX_DEPTH + 1))
        for place in range(MAX_DEPTH):
            kernel, expansion = rng.choice(phase.kernels), rng.choice(phase.expansions)
            yield CHOICES.index((kernel, expansion)) + 1 if place < depth else ABSENT
