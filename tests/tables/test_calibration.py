from __future__ import annotations

import math
from random import Random

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given, settings

from sartor.tables import calibrate
from sartor.tables.calibration import check_coverage
from sartor.tables.errors import MeasurementError

latencies = st.floats(0.01, 1e3)
Pairs = list[tuple[float, float]]
pairs = st.lists(st.tuples(latencies, latencies), min_size=1, max_size=8)

SUMS = (1.0, 3.0, 3.6, 4.1, 4.7, 5.5, 6.4, 7.5, 9.0, 11.0, 14.0, 40.0)
"""As 12 networks that calibrate a table are spread: two ends, and ten that stand for the rest."""


def test_without_networks_the_sum_stands_and_nothing_is_promised() -> None:
    calibration = calibrate([])
    prediction = calibration.predict(2.0)
    assert not calibration.calibrated
    assert not prediction.calibrated
    assert (prediction.low_ms, prediction.latency_ms, prediction.high_ms) == (2.0, 2.0, 2.0)
    assert (calibration.margin, calibration.coverage, calibration.leave_one_out_error) == (0, 0, 0)
    assert calibration.formula == "× 1"


def test_one_network_gives_a_factor_and_no_interval() -> None:
    calibration = calibrate([(2.0, 3.0)])
    assert calibration.formula == "× 1.500"
    assert calibration.networks == 1
    assert calibration.predict(1.0).latency_ms == pytest.approx(1.5)
    assert not calibration.predict(1.0).calibrated


def test_a_table_that_is_off_by_one_factor_is_mended_exactly() -> None:
    calibration = calibrate([(total, 1.25 * total) for total in (1.0, 2.0, 7.0)])
    assert calibration.formula == "× 1.250"
    assert calibration.leave_one_out_errors == pytest.approx([0, 0, 0])
    for total in (0.01, 1.5, 4.0, 100.0):
        assert calibration.predict(total).latency_ms == pytest.approx(1.25 * total)


def test_sums_may_be_in_any_unit() -> None:
    calibration = calibrate([(total, 1.25e-8 * total) for total in (2e8, 3e8, 9e8)])
    assert calibration.predict(5e8).latency_ms == pytest.approx(6.25)


def test_what_every_network_saves_once_is_learned() -> None:
    calibration = calibrate([(total, 1.02 * total - 0.4) for total in SUMS])
    for total in (1.0, 3.3, 5.0, 8.0, 12.5, 40.0):
        assert calibration.predict(total).latency_ms == pytest.approx(1.02 * total - 0.4, rel=0.01)
    assert calibration.factors == pytest.approx([1.02 - 0.4 / one for one in SUMS], rel=0.01)


def test_a_curve_that_is_a_line_is_found_to_be_one() -> None:
    calibration = calibrate([(total, 1.02 * total - 0.4) for total in SUMS])
    factor, offset_ms = calibration.line(np.array(SUMS[1:-1]))
    assert factor == pytest.approx(1.02, abs=0.02)
    assert offset_ms == pytest.approx(-0.4, abs=0.1)


@given(pairs, st.randoms())
@settings(max_examples=30)
@example(
    [(160.0, 1.0), (245.0, 1.0), (230.875, 1.0), (670.484375, 1.0), *[(0.01171875, 1.0)] * 2],
    Random(0),
)
def test_the_order_of_networks_is_of_no_matter(found: Pairs, random: object) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert calibrate(shuffled) == calibrate(found)


@given(st.lists(st.tuples(latencies, latencies), min_size=2, max_size=6))
@settings(max_examples=30)
def test_each_error_is_what_the_other_networks_predict(found: Pairs) -> None:
    calibration = calibrate(found)
    assert calibration.networks == len(found)
    errors = []
    for index, (total, measured) in enumerate(sorted(found)):
        others = sorted(found)[:index] + sorted(found)[index + 1 :]
        errors.append(measured / calibrate(others).predict(total).latency_ms - 1)
    wanted = errors[1:-1] if len(found) >= 5 else errors
    assert calibration.leave_one_out_errors == pytest.approx(wanted)


@given(pairs, latencies)
@settings(max_examples=50)
def test_the_interval_holds_the_prediction_and_is_finite(found: Pairs, total: float) -> None:
    prediction = calibrate(found).predict(total)
    assert 0 <= prediction.low_ms <= prediction.latency_ms <= prediction.high_ms < math.inf


@given(pairs)
@settings(max_examples=50)
def test_a_larger_sum_takes_no_less_time(found: Pairs) -> None:
    calibration = calibrate(found)
    totals = np.geomspace(1e-3, 1e4, 200)
    for curve in (calibration.low, calibration.middle, calibration.high):
        assert np.all(np.diff(curve(totals)) >= 0)


def test_networks_that_happen_to_agree_promise_no_exactness() -> None:
    agreeing = calibrate([(total, total) for total in (1.0, 2.0, 4.0)])
    assert 0.01 < agreeing.margin < 0.06
    scattered = calibrate([(1.0, ratio) for ratio in (0.8, 1.0, 1.2)])
    assert scattered.margin > 0.2


def test_intervals_are_wider_where_no_network_was_measured() -> None:
    calibration = calibrate([(total, 0.97 * total) for total in SUMS])

    def reach(total: float) -> float:
        return calibration.high.at(total) / calibration.middle.at(total) - 1

    assert reach(5.0) < reach(1.8) < reach(0.3)
    assert reach(5.0) < reach(24.0) < reach(120.0)
    assert calibration.margin == pytest.approx(reach(5.0), rel=0.2)


@pytest.mark.parametrize("deviation", [0.01, 0.02, 0.05])
@pytest.mark.parametrize("saved", [0.0, 0.4])
def test_the_coverage_is_true(deviation: float, saved: float) -> None:
    """Of new networks, each beside twelve calibrating ones, about 90 % fall inside."""
    rng = np.random.default_rng(3)
    held = []
    for _ in range(20):
        measured = (np.array(SUMS) - saved) * np.exp(rng.normal(0, deviation, len(SUMS)))
        calibration = calibrate(list(zip(SUMS, measured, strict=True)))
        sums = rng.uniform(3.0, 14.0, 50)
        new = (sums - saved) * np.exp(rng.normal(0, deviation, 50))
        held.append(np.mean((calibration.low(sums) <= new) & (new <= calibration.high(sums))))
    assert 0.82 <= np.mean(held) <= 0.96


@pytest.mark.parametrize("pair", [(0.0, 1.0), (1.0, 0.0), (-1.0, 1.0), (math.nan, 1.0)])
def test_latencies_are_positive(pair: tuple[float, float]) -> None:
    with pytest.raises(MeasurementError, match="more than 0 ms"):
        calibrate([(1.0, 1.0), pair])


@given(pairs.filter(lambda found: len(found) > 1), latencies)
def test_intervals_of_more_coverage_hold_those_of_less(found: Pairs, total: float) -> None:
    by_coverage = [calibrate(found, coverage).predict(total) for coverage in (0.5, 0.9, 0.99)]
    lows, highs = ([getattr(one, end) for one in by_coverage] for end in ("low_ms", "high_ms"))
    assert highs == sorted(highs)
    assert lows == sorted(lows, reverse=True)
    assert len({one.latency_ms for one in by_coverage}) == 1
    assert calibrate(found) == calibrate(found, 0.9)


def test_intervals_hold_as_many_as_they_were_asked_to() -> None:
    rng = np.random.default_rng(3)
    for coverage in (0.5, 0.99):
        held = []
        for _ in range(30):
            noise = np.exp(rng.normal(0, 0.02, len(SUMS)))
            calibration = calibrate(
                list(zip(SUMS, (1.1 * np.array(SUMS) * noise).tolist(), strict=True)), coverage
            )
            assert calibration.coverage == coverage
            others = rng.uniform(3, 12, 40)
            measured = 1.1 * others * np.exp(rng.normal(0, 0.02, 40))
            within = (calibration.low(others) <= measured) & (measured <= calibration.high(others))
            held.append(within.mean())
        assert np.mean(held) == pytest.approx(coverage, abs=0.08)


@pytest.mark.parametrize(
    ("coverage", "networks", "complaint"),
    [
        (0.49, 8, "between 50 and 99 %, where intervals were seen to hold; 49 % does not"),
        (0.995, 8, r"99\.5 % does not"),
        (float("nan"), 8, "nan % does not"),
        (0.9, 2, r"2 whole networks tell .* of mine .* too few for a confidence of 90 %"),
        (0.9, 0, "no whole networks tell"),
    ],
)
def test_coverage_that_nothing_vouches_for(coverage: float, networks: int, complaint: str) -> None:
    with pytest.raises(MeasurementError, match=complaint):
        check_coverage(coverage, networks, "mine")
    check_coverage(0.99, 3, "mine")
