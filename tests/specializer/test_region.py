from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.specializer.region import (
    Region,
    dimension_values,
    dimensions,
    draw_subnetworks,
    extremes,
    extremes_and_random,
    split,
)
from sartor.specializer.space import ABSENT, SearchSpace
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.tables.errors import FormatError

from .toy import every_network, space_of, spaces

SPACE = MobileNetV3().space


@given(spaces())
def test_regions_share_out_the_space(space: SearchSpace) -> None:
    population = every_network(space)
    for dimension in dimensions(space):
        inside = [region.contains(space, population) for region in split(space, dimension)]
        assert (np.sum(inside, axis=0) == 1).all()


@given(spaces(), st.data())
def test_the_nearest_of_an_extreme_is_inside_and_extreme(
    space: SearchSpace, data: st.DataObject
) -> None:
    dimension = data.draw(st.sampled_from(dimensions(space)))
    values = dimension_values(space, dimension)
    chosen = data.draw(st.lists(st.sampled_from(values), min_size=1, unique=True))
    region = Region(dimension, tuple(chosen))
    population = every_network(space)
    members = population[region.contains(space, population)]
    for largest, extreme in ((True, space.largest), (False, space.smallest)):
        found = region.nearest(space, extreme, largest=largest)
        assert found in map(tuple, members.tolist())
        filled = np.count_nonzero(members[:, 1:], axis=1)
        depth = np.count_nonzero(found[1:])
        if dimension == "resolution" or dimension.endswith(".depth"):
            assert depth == (filled.max() if largest else filled.min())


@pytest.mark.parametrize("region", ["", "stage3.depth=2"])
def test_a_longer_draw_begins_with_the_shorter_one(region: str) -> None:
    few, many = (
        draw_subnetworks(SPACE, count, np.random.default_rng(3), region) for count in (30, 100)
    )
    assert few == many[:30]
    assert len(set(many)) == 100
    assert draw_subnetworks(SPACE, 30, np.random.default_rng(4), region) != few
    if region:
        inside = Region.parse(region, SPACE).contains(SPACE, np.array(many, np.int16))
        assert inside.all()


@given(spaces())
def test_the_extremes_come_first_and_no_more_are_drawn_than_there_are(space: SearchSpace) -> None:
    everything = set(map(tuple, every_network(space).tolist()))
    first = dict.fromkeys(extremes(space))
    count = (len(everything) - len(first)) // 2
    found = extremes_and_random(space, count, np.random.default_rng(0))
    assert found[: len(first)] == list(first)
    assert set(found) <= everything
    assert len(set(found)) == len(found) == len(first) + count


def test_no_more_are_drawn_than_there_are() -> None:
    everything = 2 * len(every_network(space_of(1, ((2, 2), 1))))
    space = space_of(2, ((2, 2), 1))
    assert len(draw_subnetworks(space, everything, np.random.default_rng(0))) == everything
    with pytest.raises(FormatError, match=f"too few .* {everything} were found"):
        draw_subnetworks(space, everything + 1, np.random.default_rng(0))


def test_a_region_reads_back() -> None:
    for text in ("resolution=128,160", "stage3.depth=2", "stage5.block1=k3e3,k7e6"):
        assert str(Region.parse(text, SPACE)) == text


def test_a_depth_means_what_its_name_says() -> None:
    region = Region.parse("stage2.depth=3", SPACE)
    drawn = SPACE.random(500, np.random.default_rng(0))
    expected = (drawn[:, 5:9] != ABSENT).sum(axis=1) == 3
    assert np.array_equal(region.contains(SPACE, drawn), expected)
    assert expected.any()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "cannot be split by ''"),
        ("colour=red", "cannot be split by 'colour': resolution, stage1.depth"),
        ("stage1.block3=k3e3", "cannot be split by 'stage1.block3'"),
        ("resolution=17", "resolution of ofa-mbv3-w1 cannot be '17': 128, 144"),
        ("stage1.depth=", "cannot be ''"),
    ],
)
def test_no_region(text: str, complaint: str) -> None:
    with pytest.raises(FormatError, match=complaint):
        Region.parse(text, SPACE)
