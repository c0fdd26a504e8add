from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from sartor.specializer.space import ABSENT, SearchSpace, Slot
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.tables.errors import FormatError

from .toy import every_network, space_of, spaces

MOBILE = MobileNetV3().space
seeds = st.integers(0, 2**32 - 1)


@given(spaces())
def test_size_counts_every_network(space: SearchSpace) -> None:
    assert space.size == len(every_network(space))


def test_size_of_the_published_space() -> None:
    # Once-for-All, section 3.1: ((3×3)^2 + (3×3)^3 + (3×3)^4)^5 for each resolution.
    assert MOBILE.size == 7 * (9**2 + 9**3 + 9**4) ** 5


@given(spaces())
def test_text_round_trips_and_names_one_network(space: SearchSpace) -> None:
    networks = [tuple(row) for row in every_network(space).tolist()]
    texts = [space.text(network) for network in networks]
    assert [space.parse(text) for text in texts] == networks
    assert len(set(texts)) == len(networks)


@given(seeds)
def test_text_round_trips_in_the_published_space(seed: int) -> None:
    for row in MOBILE.random(20, np.random.default_rng(seed)).tolist():
        assert MOBILE.parse(MOBILE.text(tuple(row))) == tuple(row)


@given(spaces(), seeds)
def test_random_networks_belong_to_the_space(space: SearchSpace, seed: int) -> None:
    known = {tuple(row) for row in every_network(space).tolist()}
    drawn = space.random(50, np.random.default_rng(seed))
    assert drawn.dtype == np.int16
    assert {tuple(row) for row in drawn.tolist()} <= known


def test_random_reaches_every_network() -> None:
    space = space_of(2, ((2, 2, 1), 1))
    drawn = space.random(2000, np.random.default_rng(0))
    assert len(np.unique(drawn, axis=0)) == space.size


@given(spaces(), seeds)
def test_repair_makes_networks_of_anything_in_range(space: SearchSpace, seed: int) -> None:
    rng = np.random.default_rng(seed)
    low = [0, *space.lowest_choices]
    high = [len(space.contexts) - 1, *space.choice_counts]
    damaged = rng.integers(low, high, (50, len(low)), np.int16, endpoint=True)
    before = damaged.copy()
    repaired = space.repair(damaged)
    for row in repaired.tolist():
        space.check(row)
    assert np.array_equal(damaged, before)
    assert np.array_equal(space.repair(repaired), repaired)
    assert np.all((repaired == damaged) | (repaired == ABSENT))


@given(spaces())
def test_repair_keeps_what_is_whole(space: SearchSpace) -> None:
    networks = every_network(space)
    assert np.array_equal(space.repair(networks), networks)


@given(spaces())
def test_smallest_and_largest_are_the_ends(space: SearchSpace) -> None:
    networks = every_network(space)
    assert space.smallest == tuple(networks.min(axis=0).tolist())
    assert space.largest == tuple(networks.max(axis=0).tolist())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "c0",
        "c0:",
        "c9:a.-|a",
        "c0:a|a",
        "c0:a.a.a|a",
        "c0:d.-|a",
        "c0:-.-|a",
        "c0:a.-|-",
        "c0 a.-|a",
    ],
)
def test_parse_refuses_what_is_no_network(text: str) -> None:
    with pytest.raises(FormatError):
        space_of(2, ((3, 2), 1), ((1,), 1)).parse(text)


@pytest.mark.parametrize(
    "network", [(2, 1, 0, 1), (-1, 1, 0, 1), (0, 4, 0, 1), (0, 1, 1), (0, 0, 1, 1), (0, 0, 0, 1)]
)
def test_check_refuses_what_is_no_network(network: tuple[int, ...]) -> None:
    with pytest.raises(FormatError, match="toy"):
        space_of(2, ((3, 2), 1), ((1,), 1)).check(network)


def test_check_refuses_a_gap() -> None:
    with pytest.raises(FormatError):
        space_of(1, ((2, 2, 2), 1)).check((0, 1, 0, 1))


def test_slots_that_cannot_be_empty_come_first() -> None:
    required, optional = Slot("required", ("a",)), Slot("optional", ("a",), optional=True)
    SearchSpace("toy", ("c0",), ((required, optional), (optional,), (required,)))
    for stage in ((optional, required), (required, optional, required)):
        with pytest.raises(FormatError, match="required of toy cannot be empty, yet slots before"):
            SearchSpace("toy", ("c0",), (stage,))
