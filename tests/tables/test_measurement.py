from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given

from sartor.tables import Measurement, Window, student
from sartor.tables.errors import MeasurementError
from sartor.tables.measurement import reference_level_us
from sartor.tables.student import student_t

from .strategies import passes

START = "2026-01-01T00:00:00+00:00"


def window(pass_index: int, *samples_us: float, reference_us: float = 100.0) -> Window:
    return Window(pass_index, samples_us, 0, reference_us, START)


@pytest.mark.parametrize(
    ("samples_us", "reference_us"),
    [((), 100.0), ((1.0, 0.0), 100.0), ((-1.0,), 100.0), ((math.nan,), 100.0), ((1.0,), 0.0)],
)
def test_what_no_clock_can_have_shown_is_no_window(
    samples_us: tuple[float, ...], reference_us: float
) -> None:
    with pytest.raises(MeasurementError):
        window(0, *samples_us, reference_us=reference_us)


def test_counts_of_a_window_are_not_negative() -> None:
    with pytest.raises(MeasurementError, match="no counts"):
        window(-1, 1.0)


def test_nothing_is_measured_without_windows() -> None:
    with pytest.raises(MeasurementError, match="at least one window"):
        Measurement((), 100.0)
    with pytest.raises(MeasurementError, match="no level"):
        Measurement((window(0, 1.0),), math.inf)
    with pytest.raises(MeasurementError, match="no windows"):
        reference_level_us([])


def test_a_pass_counts_once() -> None:
    with pytest.raises(MeasurementError, match="two windows of one pass"):
        Measurement((window(0, 1.0), window(0, 2.0)), 100.0)


def test_drift_of_the_machine_is_divided_out() -> None:
    quick = window(0, 1000.0, 1010.0, reference_us=100.0)
    slow = window(1, 1200.0, 1212.0, reference_us=120.0)
    level_us = reference_level_us([quick, slow])
    assert level_us == 110.0
    measurement = Measurement((quick, slow), level_us)
    assert measurement.samples_ms == pytest.approx([1.1, 1.111, 1.1, 1.111])
    assert measurement.window_medians_ms == pytest.approx([1.1055, 1.1055])


def test_every_process_counts_once_however_many_samples_it_took() -> None:
    crowd = window(0, *[1000.0] * 50)
    measurement = Measurement((crowd, window(1, 3000.0), window(2, 2000.0)), 100.0)
    assert measurement.median_ms == 2.0
    assert np.median(measurement.samples_ms) == 1.0


def test_the_interval_comes_from_processes_and_not_from_samples() -> None:
    """The expected half-width is t(2; 95 %) = 4.303 times 1 ms over the root of 3."""
    samples = [[2000.0] * 9, [3000.0] * 9, [4000.0] * 9]
    three = Measurement(tuple(window(i, *each) for i, each in enumerate(samples)), 100.0)
    low_ms, high_ms = three.interval_ms() or (0.0, 0.0)
    assert (high_ms - low_ms) / 2 == pytest.approx(4.303 / math.sqrt(3), rel=1e-3)
    assert (high_ms + low_ms) / 2 == pytest.approx(three.median_ms)
    assert Measurement((window(0, 2000.0, 2001.0),), 100.0).interval_ms() is None


@given(passes)
def test_summaries_stay_within_what_was_seen(windows: tuple[Window, ...]) -> None:
    measurement = Measurement(windows, reference_level_us(windows))
    low, high = measurement.samples_ms.min(), measurement.samples_ms.max()
    tiny = 1e-9 * high
    assert low - tiny <= measurement.median_ms <= high + tiny
    assert len(measurement.samples_ms) == sum(len(window.samples_us) for window in windows)
    if (interval := measurement.interval_ms()) is not None:
        assert 0 <= interval[0] <= measurement.median_ms <= interval[1]


@pytest.mark.parametrize(
    ("level", "degrees", "expected"),
    [
        (0.95, 1, 12.706),
        (0.95, 2, 4.303),
        (0.95, 3, 3.182),
        (0.95, 4, 2.776),
        (0.99, 5, 4.032),
        (0.90, 10, 1.812),
        (0.95, 30, 2.042),
        (0.50, 7, 0.711),
        (0.95, 120, 1.980),
        (0.99, 10**6, 2.576),
    ],
)
def test_students_t_is_the_one_in_print(level: float, degrees: int, expected: float) -> None:
    """Expected: Abramowitz and Stegun, Handbook of Mathematical Functions, table 26.10."""
    assert student_t(level, degrees) == pytest.approx(expected, abs=6e-4)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.999])
def test_students_t_of_many_degrees_is_the_sum_that_it_saves(
    level: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = [student_t(level, degrees) for degrees in (201, 202, 999)]
    monkeypatch.setattr(student, "_MANY", 10_000)
    assert quick == pytest.approx([student_t(level, d) for d in (201, 202, 999)], rel=1e-7)


def test_student_refuses_what_is_no_level() -> None:
    for level, degrees in [(0.0, 3), (1.0, 3), (0.95, 0)]:
        with pytest.raises(ValueError, match="no Student's t"):
            student_t(level, degrees)


def test_the_interval_holds_its_promise() -> None:
    """Of 400 simulated machines with drift between processes, about 95 % hold the truth."""
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        levels_us = rng.normal(1000, 20, 4)
        windows = tuple(
            window(index, *rng.normal(level_us, 1, 9)) for index, level_us in enumerate(levels_us)
        )
        low_ms, high_ms = Measurement(windows, 100.0).interval_ms() or (0.0, 0.0)
        held += low_ms <= 1.0 <= high_ms
    assert 0.92 <= held / 400 <= 0.98
