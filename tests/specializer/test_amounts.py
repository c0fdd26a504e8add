from __future__ import annotations

from contextlib import suppress

import hypothesis.strategies as st
import pytest
import typer
from hypothesis import given

from sartor.specializer.cli.amounts import Target, count, count_text, target_of


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", 7),
        ("5k", 5_000),
        ("200M", 200_000_000),
        ("1.5G", 1_500_000_000),
        ("2.M", 2_000_000),
        (".5M", 500_000),
        ("2e8", 200_000_000),
        ("1234567", 1_234_567),
        ("4.123456M", 4_123_456),
    ],
)
def test_counts(text: str, value: int) -> None:
    assert count(text) == value


@given(st.integers(1, 10**17))
def test_a_count_survives_its_text(value: int) -> None:
    assert count(count_text(value)) == value


@given(st.text(max_size=8))
def test_any_other_text_is_wrong_usage(text: str) -> None:
    with suppress(typer.BadParameter):
        assert count(text) >= 1


@pytest.mark.parametrize("text", ["", "M", "5 M", "5m", "5MB", "0", "0.4k5", "1e-3M", "1.0001k"])
def test_what_is_no_count(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="write one such as 200M"):
        count(text)


@pytest.mark.parametrize(
    ("text", "table", "budget_ms"),
    [("note10=20ms", "note10", 20), ("a=b=.5ms", "a=b", 0.5), ("my table=1e2ms", "my table", 100)],
)
def test_targets(text: str, table: str, budget_ms: float) -> None:
    assert target_of(text) == Target(table, budget_ms)
