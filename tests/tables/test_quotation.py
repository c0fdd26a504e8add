from __future__ import annotations

import math

import pytest
from hypothesis import given

from sartor.tables import LatencyTable, Measurement, Network, Window
from sartor.tables.errors import MeasurementError
from sartor.tables.quotation import Quotation
from sartor.tables.row import Row

from .children import PROVENANCE, operator, window
from .strategies import quotations


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ((0.0,), "0.0 ms is no latency"),
        ((-1.0,), "no latency"),
        ((math.nan,), "no latency"),
        ((math.inf,), "no latency"),
        ((1.0, -0.1), "-0.1 ms is no standard deviation"),
        ((1.0, math.nan), "no standard deviation"),
        ((1.0, 0.1, 0), "0 inferences was never timed"),
    ],
)
def test_what_no_clock_can_have_shown_is_refused(values: tuple[float, ...], complaint: str) -> None:
    with pytest.raises(MeasurementError, match=complaint):
        Quotation(*values)  # type: ignore[arg-type]  # counts are whole here


def test_an_interval_is_that_of_the_mean_of_what_was_timed() -> None:
    """Student's t is 2.262 for 95 % and 9 degrees of freedom (Abramowitz and Stegun, 26.10)."""
    low_ms, high_ms = Quotation(5.0, 0.3, 10).interval_ms() or (0, 0)
    assert high_ms - 5 == pytest.approx(5 - low_ms) == pytest.approx(2.262 * 0.3 / 10**0.5, 1e-3)


@pytest.mark.parametrize(
    "quotation", [Quotation(5.0), Quotation(5.0, 0.3), Quotation(5.0, None, 9), Quotation(5, 0, 1)]
)
def test_no_interval_is_made_up(quotation: Quotation) -> None:
    assert quotation.interval_ms() is None


@given(quotations)
def test_an_interval_holds_its_latency(quotation: Quotation) -> None:
    if ends := quotation.interval_ms(0.9):
        assert 0 <= ends[0] <= quotation.median_ms <= ends[1]


def test_a_measured_and_a_published_latency_are_rows_alike() -> None:
    rows: list[Row] = [Measurement((window(0),), 100.0), Quotation(1.0, 0.1, 100)]
    assert [(row.source, row.median_ms, row.sample_count) for row in rows] == [
        ("measured", 1.0, 100),
        ("published", 1.0, 100),
    ]
    assert Quotation(1.0).sample_count is None
    two = (window(0), Window(1, (1.0, 2.0), 0, 100.0, ""))
    assert Measurement(two, 100.0).sample_count == 102


def test_a_table_predicts_from_what_was_published() -> None:
    whole = Network("whole", (operator(1), operator(2)))
    table = LatencyTable.from_windows(
        "quoted",
        PROVENANCE,
        {},
        {},
        {operator(1): Quotation(1.0), operator(2): Quotation(2.0), whole: Quotation(3.3)},
    )
    assert table.sum_ms(whole.operators) == 3.0
    assert table.calibration.factors == pytest.approx([1.1] * table.calibration.networks)
    assert table.windows == {}
    assert len(table.quotations) == 3


def test_a_network_of_unknown_operators_calibrates_nothing() -> None:
    whole = Network("whole", ())
    table = LatencyTable.from_windows("whole", PROVENANCE, {}, {}, {whole: Quotation(3.3)})
    assert table.calibration.networks == 0


def test_nothing_is_both_measured_and_published() -> None:
    with pytest.raises(MeasurementError, match=r"out=1.* was both measured and published"):
        LatencyTable.from_windows(
            "both", PROVENANCE, {operator(1): [window(0)]}, {}, {operator(1): Quotation(1.0)}
        )
