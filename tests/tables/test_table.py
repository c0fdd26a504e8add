from __future__ import annotations

import math

import pytest
from hypothesis import given

from sartor.tables import (
    Call,
    Condition,
    LatencyTable,
    Network,
    Operator,
    Provenance,
    Quotation,
    Subject,
    Window,
)
from sartor.tables.errors import MissingOperatorError

from .strategies import tables

PROVENANCE = Provenance(
    "local", (("cores", "2"),), Condition("litert"), "2.3.0", "ab12", "1", "1", "2026", "0.1.0"
)
SMALL, LARGE = (Operator("dense", ((channels, 1, 1),), (("out", 10),)) for channels in (8, 64))
FAILED = Operator("dense", ((512, 1, 1),), (("out", 10),))
BOTH, TWICE = Network("both", (SMALL, LARGE)), Network("twice", (LARGE, LARGE))


def window(pass_index: int, sample_us: float, reference_us: float = 100.0) -> Window:
    return Window(pass_index, (sample_us,), 0, reference_us, "2026-01-01T00:00:00+00:00")


def example(**more: float) -> LatencyTable:
    windows: dict[Subject, list[Window]] = {
        SMALL: [window(0, 1000.0), window(1, 1500.0, 150.0), window(2, 1000.0)],
        LARGE: [window(0, 4000.0)],
    }
    windows |= {{"both": BOTH, "twice": TWICE}[name]: [window(0, us)] for name, us in more.items()}
    return LatencyTable.from_windows("example", PROVENANCE, windows, {FAILED: "out of memory"})


def test_all_rows_are_corrected_to_one_level() -> None:
    table = example()
    assert table.latency_ms(SMALL) == pytest.approx(1.0)
    assert table.latencies_ms == pytest.approx({SMALL: 1.0, LARGE: 4.0})
    assert {found.reference_us for found in table.measurements.values()} == {100.0}


def test_predictions_carry_the_calibration_of_the_table() -> None:
    assert not example().predict([SMALL, LARGE]).calibrated
    table = example(both=5500.0, twice=8800.0)
    assert table.calibration.factors == pytest.approx([1.1] * table.calibration.networks)
    prediction = table.predict([SMALL, SMALL])
    assert prediction.calibrated
    assert prediction.latency_ms == pytest.approx(2.2)
    assert table.sum_ms([SMALL, SMALL]) == pytest.approx(2.0)


def test_what_any_model_takes_is_taken_off_operators_and_off_nothing_else() -> None:
    plain = example(both=5500.0)
    calls: dict[Subject, list[Window]] = {
        Call(): [window(0, 200.0), window(1, 600.0, 200.0), window(2, 100.0)]
    }
    table = LatencyTable.from_windows("called", PROVENANCE, calls | {**plain.windows}, {})
    assert plain.call_ms is None
    assert table.call_ms == pytest.approx(0.2)
    assert table.latencies_ms == pytest.approx({SMALL: 0.8, LARGE: 3.8})
    assert table.networks == plain.networks
    row, measured = table.rows[SMALL], plain.rows[SMALL]
    assert row.window_medians_ms == pytest.approx(measured.window_medians_ms - 0.2)
    assert (row.source, row.sample_count) == ("measured", measured.sample_count)
    assert row.interval_ms() == pytest.approx((0.8, 0.8))
    assert table.rows[LARGE].interval_ms() is None
    assert table.rows[LARGE].relative_error == math.inf
    assert table.without({Call()}).latencies_ms == plain.latencies_ms


def test_the_work_that_a_network_hands_out_for_each_operator_is_not_taken_off() -> None:
    def call_ms(short_us: float, long_us: float) -> float | None:
        windows: dict[Subject, list[Window]] = {
            Call(): [window(0, short_us)],
            Call(9): [window(0, long_us)],
        }
        return LatencyTable.from_windows("called", PROVENANCE, windows, {}).call_ms

    assert call_ms(10.0, 26.0) == pytest.approx(0.008)
    assert call_ms(10.0, 9.0) == pytest.approx(0.010)  # noise
    assert call_ms(10.0, 100.0) == 0.0
    windows: dict[Subject, list[Window]] = {Call(9): [window(0, 26.0)]}
    assert LatencyTable.from_windows("called", PROVENANCE, windows, {}).call_ms is None


def test_a_call_is_not_taken_off_what_was_published() -> None:
    windows: dict[Subject, list[Window]] = {Call(): [window(0, 200.0)]}
    published: dict[Subject, Quotation] = {SMALL: Quotation(1.5)}
    table = LatencyTable.from_windows("published", PROVENANCE, windows, {}, published)
    assert table.latencies_ms == {SMALL: 1.5}


def test_a_network_whose_operators_are_not_all_known_calibrates_nothing() -> None:
    stray = Network("stray", (SMALL, FAILED))
    windows: dict[Subject, list[Window]] = {SMALL: [window(0, 1.0)], stray: [window(0, 9.0)]}
    table = LatencyTable.from_windows("stray", PROVENANCE, windows, {})
    assert table.calibration.networks == 0


def test_a_missing_operator_is_never_zero() -> None:
    with pytest.raises(MissingOperatorError, match="measuring it failed: out of memory"):
        example().predict([SMALL, FAILED])
    unseen = Operator("dense", ((9, 1, 1),), (("out", 10),))
    with pytest.raises(MissingOperatorError, match=rf"nearest: {SMALL}"):
        example().latency_ms(unseen)


def test_an_empty_table_is_a_table() -> None:
    table = LatencyTable.from_windows("empty", PROVENANCE, {SMALL: []}, {})
    assert not table.rows
    assert table.predict([]).latency_ms == 0


@given(tables())
def test_a_table_is_rebuilt_from_its_windows(table: LatencyTable) -> None:
    again = LatencyTable.from_windows(
        table.name,
        table.provenance,
        table.windows,
        table.failures,
        table.quotations,
        table.health,
        table.transfer,
    )
    assert again == table
