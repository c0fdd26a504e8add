"""What an agent may answer, and what it cannot have meant."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from sartor.profiler.messages import Clock, Refusal, Timing, read_busy_ms, read_timings
from sartor.tables import Window

START_S = 71.5
CLOCK = Clock(datetime(2026, 1, 1, tzinfo=timezone.utc), 60.0)
START = "2026-01-01T00:00:11.500+00:00"
NONSENSE = (LookupError, TypeError, ValueError, ArithmeticError)
"""What a session takes for an agent that broke its protocol."""

plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
anything = st.recursive(
    plain,
    lambda part: (
        st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=3), part, max_size=3)
    ),
    max_leaves=8,
)
samples = anything | st.lists(st.floats(1, 1e6) | plain, max_size=3)
windows = st.fixed_dictionaries(
    {"samples_us": samples, "preempted": st.integers() | plain}
) | st.fixed_dictionaries({"error": anything})
answers = st.fixed_dictionaries(
    {"windows": anything | st.lists(windows | anything, min_size=1, max_size=1)},
    optional={"started_s": st.just(START_S) | plain, "busy_ms": anything, "error": anything},
)


@given(answers)
def test_an_answer_is_timings_or_makes_no_sense(said: dict[str, Any]) -> None:
    answer = json.loads(json.dumps(said))
    try:
        (timing,) = read_timings(answer, 1, CLOCK)
        busy_ms = read_busy_ms(answer)
    except NONSENSE:
        return
    assert 0 <= busy_ms < math.inf
    if isinstance(timing, Refusal):
        assert timing.reason.encode()  # which half a character has not
        assert len(timing.reason) <= 2000
    else:
        Window(0, timing.samples_us, timing.preempted, 1.0, timing.started_at)


def answer(**window: object) -> Mapping[str, Any]:
    whole = {"samples_us": [1.5, 2], "preempted": 3} | window
    return {"windows": [whole], "started_s": START_S, "busy_ms": 12}


def test_an_answer_is_read() -> None:
    assert read_timings(answer(), 1, CLOCK) == (Timing((1.5, 2.0), 3, START),)
    assert read_busy_ms(answer()) == 12


@pytest.mark.parametrize(
    "said",
    [
        answer(samples_us=[]),
        answer(samples_us="12"),
        answer(samples_us={"1": 2}),
        answer(samples_us=[1.0, "2"]),
        answer(samples_us=[0.0]),
        answer(samples_us=[-1.0]),
        answer(samples_us=[math.nan]),
        answer(samples_us=[10**400]),
        answer(samples_us=[1e-60]),
        answer(preempted=-1),
        answer(preempted=1.5),
        answer(preempted=2**70),
        {**answer(), "windows": []},
        {**answer(), "windows": "x"},
        {**answer(), "started_s": "yesterday"},
        {**answer(), "started_s": None},
        {**answer(), "started_s": math.nan},
        {**answer(), "started_s": 1e15},
        {**answer(), "started_s": 10**400},
    ],
)
def test_what_no_clock_can_have_shown_is_no_answer(said: Mapping[str, Any]) -> None:
    with pytest.raises(NONSENSE):
        read_timings(said, 1, CLOCK)


def test_a_reason_is_text_that_a_store_takes() -> None:
    (refusal,) = read_timings(
        {"windows": [{"error": "\ud83d" * 5000}], "started_s": START_S}, 1, CLOCK
    )
    assert refusal == Refusal("?" * 2000)
