from __future__ import annotations

import math
from dataclasses import replace

import pytest

from sartor.tables import LatencyTable, Network, Store, Subject, Window
from sartor.tables.comparison import compare_tables
from sartor.tables.errors import MeasurementError, StoreError
from sartor.tables.estimate import Estimate, Transfer
from sartor.tables.formats.flat import flat_rows
from sartor.tables.merge import merge_tables
from sartor.tables.verdict import Trust, judge

from .children import PROVENANCE, operator, window
from .place import Place

ONE, OTHER = operator(1), operator(2)
NETWORKS = tuple(Network(f"n{length}", (ONE,) * length) for length in (2, 4, 8, 16, 32))
WINDOWS: dict[Subject, list[Window]] = {
    network: [window(index, 1000.0 * len(network.operators)) for index in range(3)]
    for network in NETWORKS
}
TRANSFER = Transfer(
    ("theirs (pi, litert)",),
    -0.2,
    0.04,
    {ONE: Estimate(1.1), OTHER: Estimate(3.0)},
    {network: 0.8 * len(network.operators) for network in NETWORKS},
)
TABLE = LatencyTable.from_windows("new", PROVENANCE, WINDOWS, {}, transfer=TRANSFER)


def test_estimates_are_rows_that_say_so() -> None:
    assert TABLE.latencies_ms == {ONE: 1.1, OTHER: 3.0}
    row = TABLE.rows[OTHER]
    assert (row.source, row.sample_count, row.interval_ms()) == ("transferred", 0, None)
    assert row.relative_error == math.inf
    sources = {line["subject"]: line["source"] for line in flat_rows(TABLE)}
    assert sources[str(ONE)] == "transferred"
    assert sources["network n2"] == "measured"


def test_networks_are_predicted_by_the_transfer_and_not_by_a_new_line() -> None:
    prediction = TABLE.predict((ONE, OTHER))
    assert prediction.latency_ms == pytest.approx(1.1 + 3.0 - 0.2)
    assert TABLE.calibration.networks == 5
    assert TABLE.calibration.leave_one_out_errors == pytest.approx([0.25] * 5)
    half_width = prediction.high_ms / prediction.latency_ms - 1
    assert 1.6 * 0.04 < half_width == pytest.approx(TABLE.calibration.margin)
    wider = replace(TABLE, transfer=replace(TRANSFER, deviation=0.08))
    assert wider.calibration.margin == pytest.approx(2 * half_width)


def test_what_was_measured_counts_more_than_an_estimate() -> None:
    table = replace(TABLE, entries={**TABLE.entries, **_measured(OTHER, 2000.0).entries})
    assert table.latencies_ms == {ONE: 1.1, OTHER: 2.0}
    assert table.rows[OTHER].source == "measured"


def _measured(subject: Subject, latency_us: float) -> LatencyTable:
    return LatencyTable.from_windows("m", PROVENANCE, {subject: [window(0, latency_us)]}, {})


def test_a_network_that_was_measured_later_judges_nothing_yet() -> None:
    later = Network("later", (OTHER,))
    table = replace(TABLE, entries={**TABLE.entries, **_measured(later, 9000.0).entries})
    assert table.calibration == TABLE.calibration


def test_the_verdict_is_about_intervals_and_never_trustworthy() -> None:
    verdict = judge(TABLE)
    assert verdict.trust is Trust.DOUBTFUL
    assert [doubt.sentence for doubt in verdict.doubts] == [
        "2 latencies were estimated from tables of other devices, not measured"
    ]
    assert verdict.unsteady == ()
    wide = judge(replace(TABLE, transfer=replace(TRANSFER, deviation=0.2)))
    assert wide.trust is Trust.NONE
    assert "transfer with more --networks" in wide.doubts[0].sentence


def test_estimates_are_compared_but_move_by_no_noise() -> None:
    slower = Transfer.of(("x",), 0.0, 0.1, {ONE: 2.2, OTHER: 3.0})
    comparison = compare_tables(TABLE, replace(TABLE, transfer=slower))
    assert comparison.moved == ()
    assert sorted(one.after_ms - one.before_ms for one in comparison.changes) == [0, 1.1]


def test_estimates_do_not_merge() -> None:
    with pytest.raises(StoreError, match="'new' holds estimates"):
        merge_tables("both", [TABLE, TABLE])


def test_a_store_keeps_estimates_and_replaces_them(place: Place) -> None:
    with Store.open(place.address) as store:
        store.create("new", PROVENANCE)
        for network, windows in WINDOWS.items():
            for one in windows:
                store.add_window("new", network, one)
        assert store.find("new").estimates == 0
        store.set_transfer("new", TRANSFER)
        assert store.load("new").transfer == TRANSFER
        summary = store.find("new")
        assert (summary.operators, summary.networks, summary.windows) == (2, 5, 15)
        assert (summary.estimates, summary.quotations) == (2, 0)
        other = Transfer.of(("others",), 0.0, 0.1, {ONE: 5.0, NETWORKS[0]: 9.0})
        store.set_transfer("new", other)
        assert store.load("new").transfer == other
        assert store.find("new").operators == 1
        store.remove("new")
        store.add(TABLE)
        assert store.load("new") == TABLE


def test_a_store_keeps_no_estimates_beside_measured_operators(place: Place) -> None:
    with Store.open(place.address) as store:
        store.create("new", PROVENANCE)
        store.add_window("new", ONE, window(0))
        with pytest.raises(StoreError, match=r"holds measurements of 1 operators.*--table"):
            store.set_transfer("new", TRANSFER)
        assert store.load("new").transfer is None


@pytest.mark.parametrize("latency_ms", [0.0, -1.0, math.nan, math.inf])
def test_estimates_are_latencies(latency_ms: float) -> None:
    with pytest.raises(MeasurementError, match="no estimate"):
        Estimate(latency_ms)
    with pytest.raises(MeasurementError, match="no estimate of network n2"):
        replace(TRANSFER, left_out_ms={NETWORKS[0]: latency_ms})


@pytest.mark.parametrize(("offset_ms", "deviation"), [(math.nan, 0.1), (0, -0.1), (0, math.inf)])
def test_offset_and_deviation_are_numbers(offset_ms: float, deviation: float) -> None:
    with pytest.raises(MeasurementError, match="no offset and deviation"):
        Transfer((), offset_ms, deviation)
