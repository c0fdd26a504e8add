from __future__ import annotations

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from sartor.tables import calibrate
from sartor.tables.errors import MeasurementError

latencies = st.floats(0.01, 1e3)
Pairs = list[tuple[float, float]]
pairs = st.lists(st.tuples(latencies, latencies), min_size=1, max_size=8)


def test_without_networks_the_sum_stands_and_nothing_is_promised() -> None:
    calibration = calibrate([])
    prediction = calibration.predict(2.0)
    assert not calibration.calibrated
    assert not prediction.calibrated
    assert (prediction.low_ms, prediction.latency_ms, prediction.high_ms) == (2.0, 2.0, 2.0)
    assert (calibration.margin, calibration.coverage, calibration.leave_one_out_error) == (0, 0, 0)


def test_one_network_gives_a_scale_and_no_interval() -> None:
    calibration = calibrate([(2.0, 3.0)])
    assert calibration.scale == pytest.approx(1.5)
    assert calibration.networks == 1
    assert not calibration.predict(1.0).calibrated


def test_a_table_that_is_off_by_one_factor_is_mended_exactly() -> None:
    calibration = calibrate([(total, 1.25 * total) for total in (1.0, 2.0, 7.0)])
    assert calibration.scale == pytest.approx(1.25)
    assert calibration.leave_one_out_errors == pytest.approx([0, 0, 0])
    assert calibration.predict(4.0).latency_ms == pytest.approx(5.0)


def loss(found: Pairs, scale: float, offset_ms: float) -> float:
    sums, measured = np.array(found).T
    return float((((scale * sums + offset_ms) / measured - 1) ** 2).sum())


@given(pairs)
def test_no_other_line_has_a_smaller_error(found: Pairs) -> None:
    best = calibrate(found)
    least = loss(found, best.scale, best.offset_ms)
    for factor in (0.9, 0.999, 1.001, 1.1):
        assert least <= loss(found, factor * best.scale, best.offset_ms) * (1 + 1e-6) + 1e-9
        if best.offset_ms:
            assert least <= loss(found, best.scale, factor * best.offset_ms) * (1 + 1e-6) + 1e-9


def test_what_every_network_saves_once_is_an_offset() -> None:
    sums = (1.0, 1.5, 2.0, 4.0, 7.0, 12.0)
    calibration = calibrate([(total, 1.02 * total - 0.4) for total in sums])
    assert calibration.scale == pytest.approx(1.02)
    assert calibration.offset_ms == pytest.approx(-0.4)
    assert calibration.formula == "× 1.020 − 0.400 ms"
    assert calibration.leave_one_out_errors == pytest.approx([0] * 6, abs=1e-9)
    assert calibration.predict(3.0).latency_ms == pytest.approx(2.66)
    # Below the smallest network, latencies shrink in proportion and stay positive.
    assert calibration.predict(0.5).latency_ms == pytest.approx(0.31)
    assert calibration.predict(1.0).latency_ms == pytest.approx(0.62)


def test_four_networks_give_no_offset() -> None:
    assert calibrate([(total, total - 0.4) for total in (1.0, 2.0, 4.0, 8.0)]).offset_ms == 0


def test_an_offset_that_makes_a_network_take_no_time_is_not_taken() -> None:
    found = [(0.1, 0.3), (2.0, 1.2), (4.0, 3.3), (8.0, 7.1), (16.0, 15.0)]
    calibration = calibrate(found)
    assert all(calibration.predict(total).latency_ms > 0 for total, _ in found)


@given(st.lists(st.tuples(latencies, latencies), min_size=2, max_size=8))
def test_each_error_is_what_the_other_networks_predict(found: Pairs) -> None:
    calibration = calibrate(found)
    assert calibration.networks == len(calibration.leave_one_out_errors) == len(found)
    if calibration.offset_ms:
        return  # the others alone might not have taken an offset
    for index, (total, measured) in enumerate(found):
        others = np.array(found[:index] + found[index + 1 :])
        ratios = others[:, 0] / others[:, 1]
        predicted = total * ratios.sum() / (ratios**2).sum()
        assert calibration.leave_one_out_errors[index] == pytest.approx(
            measured / predicted - 1, rel=1e-9, abs=1e-9
        )


@given(pairs, latencies)
def test_the_interval_holds_the_prediction_and_is_finite(found: Pairs, total: float) -> None:
    prediction = calibrate(found).predict(total)
    assert 0 <= prediction.low_ms <= prediction.latency_ms <= prediction.high_ms < math.inf


def test_networks_that_happen_to_agree_promise_no_exactness() -> None:
    agreeing = calibrate([(total, total) for total in (1.0, 2.0, 4.0)])
    assert 0.01 < agreeing.margin < 0.035
    scattered = calibrate([(1.0, ratio) for ratio in (0.8, 1.0, 1.2)])
    assert scattered.margin > 0.2


@pytest.mark.parametrize("deviation", [0.01, 0.02, 0.05])
def test_the_coverage_is_true(deviation: float) -> None:
    """Of 1,000 new networks, each beside eight calibrating ones, about 90 % fall inside."""
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(1000):
        *known, new = 1.2 * np.exp(rng.normal(0, deviation, 9))
        prediction = calibrate([(1.0, ratio) for ratio in known]).predict(1.0)
        held += prediction.low_ms <= new <= prediction.high_ms
    assert 0.85 <= held / 1000 <= 0.99


@pytest.mark.parametrize("pair", [(0.0, 1.0), (1.0, 0.0), (-1.0, 1.0), (math.nan, 1.0)])
def test_latencies_are_positive(pair: tuple[float, float]) -> None:
    with pytest.raises(MeasurementError, match="more than 0 ms"):
        calibrate([(1.0, 1.0), pair])
