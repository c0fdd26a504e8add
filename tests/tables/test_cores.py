from __future__ import annotations

from contextlib import suppress

import hypothesis.strategies as st
import pytest
from hypothesis import given

from sartor.tables.cores import cores_text, parse_cores
from sartor.tables.errors import FormatError


@pytest.mark.parametrize(
    ("text", "cores"),
    [
        ("0", (0,)),
        ("4-7", (4, 5, 6, 7)),
        ("0,2", (0, 2)),
        ("0-1,4", (0, 1, 4)),
        ("5,1-2,1", (1, 2, 5)),
    ],
)
def test_lists_are_those_of_the_kernel(text: str, cores: tuple[int, ...]) -> None:
    assert parse_cores(text) == cores


@given(st.sets(st.integers(0, 4095), min_size=1, max_size=40))
def test_text_round_trips(cores: set[int]) -> None:
    assert parse_cores(cores_text(cores)) == tuple(sorted(cores))


def test_no_cores_have_no_text() -> None:
    assert cores_text(()) == ""


@pytest.mark.parametrize("text", ["", "big", "-1", "4-", "7-4", "0,,1", "4096", "0-9999", "²"])
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(FormatError, match=r"list of cores"):
        parse_cores(text)


@given(st.text(max_size=30))
def test_no_text_is_too_odd_to_be_refused(text: str) -> None:
    with suppress(FormatError):
        assert parse_cores(text)
