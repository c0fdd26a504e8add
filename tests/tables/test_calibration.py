from __future__ import annotations

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from sartor.tables import calibrate
from sartor.tables.errors import MeasurementError

latencies = st.floats(0.01, 1e3)
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
    assert calibration.predict(4.0).high_ms == pytest.approx(5.0)


@given(pairs)
def test_no_other_scale_has_a_smaller_error(found: list[tuple[float, float]]) -> None:
    sums, measured = np.array(found).T

    def loss(scale: float) -> float:
        return float(((scale * sums / measured - 1) ** 2).sum())

    scale = calibrate(found).scale
    for other in (0.9 * scale, 0.999 * scale, 1.001 * scale, 1.1 * scale):
        assert loss(scale) <= loss(other) * (1 + 1e-9) + 1e-12


@given(pairs.filter(lambda found: len(found) > 1))
def test_each_error_is_what_the_other_networks_predict(found: list[tuple[float, float]]) -> None:
    calibration = calibrate(found)
    assert calibration.networks == len(calibration.leave_one_out_errors) == len(found)
    for index, (total, measured) in enumerate(found):
        predicted = calibrate(found[:index] + found[index + 1 :]).predict(total).latency_ms
        expected = measured / predicted - 1
        assert calibration.leave_one_out_errors[index] == pytest.approx(
            expected, rel=1e-9, abs=1e-9
        )


@given(pairs, latencies)
def test_the_interval_holds_the_prediction_and_is_finite(
    found: list[tuple[float, float]], total: float
) -> None:
    prediction = calibrate(found).predict(total)
    assert 0 <= prediction.low_ms <= prediction.latency_ms <= prediction.high_ms < math.inf


def test_few_networks_give_their_worst_error_and_say_what_it_covers() -> None:
    rng = np.random.default_rng(7)
    five = calibrate([(1.0, ratio) for ratio in rng.normal(1, 0.03, 5)])
    assert five.margin == max(map(abs, five.leave_one_out_errors))
    assert five.coverage == pytest.approx(5 / 6)
    many = calibrate([(1.0, ratio) for ratio in rng.normal(1, 0.03, 60)])
    assert many.margin < max(map(abs, many.leave_one_out_errors))
    assert many.coverage >= 0.95


def test_the_coverage_is_true() -> None:
    """Of 1,000 new networks, each beside five calibrating ones, about 5/6 fall inside."""
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(1000):
        *known, new = rng.normal(1.2, 0.05, 6)
        prediction = calibrate([(1.0, ratio) for ratio in known]).predict(1.0)
        held += prediction.low_ms <= new <= prediction.high_ms
    assert held / 1000 == pytest.approx(5 / 6, abs=0.04)


@pytest.mark.parametrize("pair", [(0.0, 1.0), (1.0, 0.0), (-1.0, 1.0), (math.nan, 1.0)])
def test_latencies_are_positive(pair: tuple[float, float]) -> None:
    with pytest.raises(MeasurementError, match="more than 0 ms"):
        calibrate([(1.0, 1.0), pair])
