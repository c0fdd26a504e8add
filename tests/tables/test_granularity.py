from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from sartor.tables.granularity import BLOCKS, GRANULARITIES, OPERATORS, Granularity
from sartor.tables.kinds import parts
from sartor.tables.operator import Operator

from .strategies import mbconvs, operators

networks = st.lists(st.one_of(mbconvs(), operators()), max_size=4)


@given(networks)
def test_both_know_a_network_however_it_is_written(drawn: list[Operator]) -> None:
    apart = [part for operator in drawn for part in parts(operator)]
    assert OPERATORS.units(drawn) == OPERATORS.units(apart) == tuple(apart)
    assert BLOCKS.units(OPERATORS.units(BLOCKS.units(apart))) == BLOCKS.units(apart)


@pytest.mark.parametrize("granularity", GRANULARITIES, ids=lambda each: each.name)
@given(drawn=networks)
def test_what_was_taken_apart_stays_so(granularity: Granularity, drawn: list[Operator]) -> None:
    units = granularity.units(drawn)
    assert granularity.units(units) == units


@pytest.mark.parametrize(
    "texts",
    [
        ("attention/8x4/heads=2/none/float32",),
        ("mbconv/8x4x4/expand=24/relu/float32",),
        ("mbconv/8x4x4/expand=24,kernel=3,out=8,se=0,skip=1,stride=0/relu/float32",),
        ("conv2d/8/kernel=1,out=8,stride=1/none/float32", "depthwise_conv2d/8/-/none/float32"),
        (
            "conv2d/8x4x4/kernel=1,out=8,stride=1/none/float32",
            "depthwise_conv2d/8x4x4/kernel=3,stride=0/none/float32",
            "conv2d/8x4x4/kernel=1,out=8,stride=1/none/float32",
        ),
        (
            "depthwise_conv2d/8x4x4/kernel=3,stride=1/none/float32",
            "squeeze_excite/8x4x4/-/none/float32",
            "conv2d/8x4x4/-/none/float32",
        ),
    ],
)
def test_what_breaks_the_rules_of_its_kind_stays_as_it_is(texts: tuple[str, ...]) -> None:
    strange = tuple(map(Operator.parse, texts))
    for granularity in GRANULARITIES:
        assert granularity.units(strange) == strange
