from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from sartor.specializer.region import Region
from sartor.specializer.space import ABSENT, SubNetwork
from sartor.specializer.supernets.mobilenet_v3 import CHOICES, MAX_DEPTH, MobileNetV3
from sartor.specializer.train.draw import extreme_subnetwork, step_subnetworks, teaches
from sartor.specializer.train.recipe import Phase, Recipe
from sartor.specializer.train.recipe_file import load_recipe, shipped_recipes
from sartor.tables.errors import FormatError

WIDE = Phase("wide", 1, 0.1)
RECIPE = Recipe("any", (WIDE,), resolutions=(64, 96, 128))
SPEC = MobileNetV3(1.0, 10, RECIPE.resolutions)
SPACE = SPEC.space


def choices_of(subnetwork: Sequence[int]) -> set[tuple[int, int]]:
    return {CHOICES[choice - 1] for choice in subnetwork[1:] if choice != ABSENT}


def drawn(recipe: Recipe, phase: Phase, step: int) -> tuple[SubNetwork, ...]:
    spec = MobileNetV3(recipe.width, 10, recipe.resolutions)
    return step_subnetworks(spec, recipe, phase, step, np.random.default_rng(step))


def extremes(phase: Phase, context: int, recipe: Recipe = RECIPE) -> tuple[SubNetwork, SubNetwork]:
    largest, smallest = (
        extreme_subnetwork(SPEC, recipe, phase, context, largest=largest)
        for largest in (True, False)
    )
    return largest, smallest


@pytest.mark.parametrize("name", shipped_recipes())
def test_steps_draw_what_their_phase_allows(name: str) -> None:
    recipe = load_recipe(name)
    spec = MobileNetV3(recipe.width, 10, recipe.resolutions)
    for phase in recipe.phases:
        contexts = set()
        for step in range(20):
            found = drawn(recipe, phase, step)
            assert len(found) == phase.random_per_step + phase.extremes_per_step
            assert len({subnetwork[0] for subnetwork in found}) == 1
            contexts.add(found[0][0])
            for subnetwork in found:
                spec.space.check(subnetwork)
                assert {kernel for kernel, _ in choices_of(subnetwork)} <= set(phase.kernels)
                assert {ratio for _, ratio in choices_of(subnetwork)} <= set(phase.expansions)
                filled = np.array(subnetwork[1:]).reshape(-1, MAX_DEPTH) != ABSENT
                assert filled.sum(1).min() >= phase.min_depth
        assert len(contexts) > 1


def test_without_extremes_only_random_ones_are_trained() -> None:
    phase = replace(WIDE, random_per_step=3)
    steps = [drawn(RECIPE, phase, step) for step in range(20)]
    assert all(len(found) == 3 for found in steps)
    assert len({subnetwork for found in steps for subnetwork in found}) == 60
    assert not any(teaches(phase, step) for step in range(4))


def test_one_extreme_takes_turns() -> None:
    phase = replace(WIDE, extremes_per_step=1)
    for step in range(6):
        found = drawn(RECIPE, phase, step)
        largest, smallest = extremes(phase, found[0][0])
        assert len(found) == 2
        assert (found[0] == largest) == (step % 2 == 0) == teaches(phase, step)
        assert (found[-1] == smallest) == (step % 2 == 1)


@pytest.mark.parametrize("random", [0, 1, 2])
def test_two_extremes_are_the_sandwich(random: int) -> None:
    phase = replace(WIDE, extremes_per_step=2, random_per_step=random)
    for step in range(4):
        found = drawn(RECIPE, phase, step)
        assert len(found) == 2 + random
        assert (found[0], found[-1]) == extremes(phase, found[0][0])
        assert teaches(phase, step)


def test_the_extremes_of_everything_are_the_spaces() -> None:
    assert extremes(WIDE, 2)[0] == SPACE.largest
    assert extremes(WIDE, 0)[1] == SPACE.smallest


def test_the_extremes_are_within_the_phase() -> None:
    phase = replace(WIDE, kernels=(3, 5), min_depth=3, expansions=(4,))
    largest, smallest = extremes(phase, 1)
    five, three = (1 + CHOICES.index((kernel, 4)) for kernel in (5, 3))
    assert largest == (1, *[five] * 20)
    assert smallest == (1, *[three, three, three, ABSENT] * 5)


@pytest.mark.parametrize(
    "region",
    ["resolution=96", "resolution=64,128", "stage3.depth=2", "stage5.depth=3,4", "stage2.block1="],
)
@pytest.mark.parametrize("count", [1, 2])
def test_a_region_holds_whatever_is_trained(region: str, count: int) -> None:
    if region.endswith("="):
        slot = next(slot for slot in SPACE.slots if slot.name == "stage2.block1")
        region += f"{slot.choices[0]},{slot.choices[4]}"
    recipe = replace(RECIPE, region=region)
    wanted = Region.parse(region, SPACE)
    phase = replace(WIDE, extremes_per_step=count)
    for step in range(10):
        found = drawn(recipe, phase, step)
        assert wanted.contains(SPACE, np.array(found, np.int16)).all()
        assert len({subnetwork[0] for subnetwork in found}) == 1
        for subnetwork in found:
            SPACE.check(subnetwork)


def test_a_regions_extremes_differ_in_its_dimension_alone() -> None:
    recipe = replace(RECIPE, region="stage3.depth=2,3")
    for found, whole, depth in zip(
        extremes(WIDE, 1, recipe), extremes(WIDE, 1), (3, 2), strict=True
    ):
        other = np.flatnonzero(np.array(found) != np.array(whole))
        stage = 1 + 2 * MAX_DEPTH + np.arange(MAX_DEPTH)
        assert set(other) <= set(stage)
        assert sum(found[index] != ABSENT for index in stage) == depth


def test_a_phase_outside_the_region_is_told() -> None:
    recipe = replace(RECIPE, region="stage3.depth=2")
    phase = replace(WIDE, name="full", min_depth=4)
    with pytest.raises(FormatError, match=r"the phase full has no sub-network in the region stage"):
        drawn(recipe, phase, 0)


def test_only_some_take_turns_alone() -> None:
    some = (SPACE.smallest, SPACE.largest)
    phase = replace(WIDE, only=tuple(map(SPACE.text, some)), extremes_per_step=2)
    assert [drawn(RECIPE, phase, step) for step in range(3)] == [(some[0],), (some[1],), (some[0],)]
    assert not teaches(phase, 0)
    with pytest.raises(FormatError, match="is no sub-network of"):
        drawn(RECIPE, replace(WIDE, only=("nonsense",)), 0)
