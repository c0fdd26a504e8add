from __future__ import annotations

import pytest
from hypothesis import given

from sartor.tables.errors import FormatError
from sartor.tables.health import BatchHealth, summary

from .strategies import healths


@given(healths)
def test_it_comes_back_from_its_text(health: BatchHealth) -> None:
    assert BatchHealth.from_json(health.to_json()) == health


def test_what_nobody_knows_is_left_out() -> None:
    assert BatchHealth(2, 1.5, load=0.0).to_dict() == {"pass_index": 2, "seconds": 1.5, "load": 0.0}


def test_a_summary_counts_what_was_disturbed() -> None:
    quiet = BatchHealth(0, 1.0, frequency_mhz=1500, temperature_c=41.4)
    hot = BatchHealth(0, 1.0, warnings=("it was hot",), frequency_mhz=1500, temperature_c=82.6)
    assert summary([]) == "nobody has watched"
    assert summary([quiet, hot]) == "1 of 2 batches disturbed, 1500 MHz, 41–83 °C"
    assert summary([BatchHealth(0, 1.0)]) == "none of 1 batches disturbed"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "7",
        '{"pass_index": 1}',
        '{"pass_index": "x", "seconds": 1}',
        '{"pass_index": 1, "seconds": 1, "mood": "good"}',
        '{"pass_index": 1, "seconds": null}',
    ],
)
def test_what_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(FormatError, match=r"no JSON|nobody's health"):
        BatchHealth.from_json(text)
