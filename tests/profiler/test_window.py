from __future__ import annotations

import time

import pytest

from sartor.profiler.agent.window import (
    MAX_SAMPLES,
    MIN_SAMPLES,
    PATIENCE,
    time_rounds,
    time_window,
)


def spin(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def test_every_inference_is_a_sample_in_microseconds() -> None:
    samples = time_window(lambda: spin(0.0005), window_ms=30, warmup_ms=0, threads=1)
    assert len(samples.samples_us) >= MIN_SAMPLES
    assert all(sample >= 500 for sample in samples.samples_us)
    assert min(samples.samples_us) < 600


@pytest.mark.parametrize("threads", [1, 2])
def test_slow_models_get_a_minimum_of_samples(threads: int) -> None:
    samples = time_window(lambda: spin(0.01), window_ms=1, warmup_ms=0, threads=threads)
    assert MIN_SAMPLES <= len(samples.samples_us) <= PATIENCE


def test_fast_models_get_a_maximum_of_samples() -> None:
    samples = time_window(lambda: None, window_ms=1000, warmup_ms=0, threads=1)
    assert len(samples.samples_us) + samples.preempted == MAX_SAMPLES


def test_lost_time_is_dropped_and_the_fastest_stand_in_where_nothing_else_is() -> None:
    durations = iter([0.0] * 3 + [0.001 * step for step in range(40, 0, -2)])
    samples = time_window(lambda: time.sleep(next(durations)), window_ms=1, warmup_ms=0, threads=1)
    assert samples.preempted == PATIENCE - MIN_SAMPLES
    assert len(samples.samples_us) == MIN_SAMPLES
    assert samples.samples_us == sorted(samples.samples_us)
    assert samples.samples_us[0] >= 2000
    assert samples.samples_us[-1] < 30_000


def test_a_processor_with_a_clock_of_its_own_gives_the_samples() -> None:
    def run() -> int:
        spin(0.0005)
        return 7000

    samples = time_window(run, window_ms=10, warmup_ms=0, threads=1)
    assert set(samples.samples_us) == {7.0}


def test_warming_up_is_not_timed() -> None:
    runs = 0

    def run() -> None:
        nonlocal runs
        runs += 1
        spin(0.0001)

    samples = time_window(run, window_ms=0, warmup_ms=10, threads=1)
    timed = len(samples.samples_us) + samples.preempted
    assert 3 <= runs - timed <= 105


class Spinner:
    """A model that writes down what happens to it."""

    def __init__(self, name: str, seconds: float, told: list[str]) -> None:
        self.name, self.seconds, self.told = name, seconds, told

    def run(self) -> None:
        self.told.append(f"run {self.name}")
        spin(self.seconds)

    def refresh(self) -> None:
        self.told.append(f"refresh {self.name}")


def test_models_take_turns_with_fresh_inputs_after_memory_was_read() -> None:
    told: list[str] = []
    models = [Spinner("a", 0.001, told), Spinner("b", 0.002, told)]
    found = time_rounds(models, 10, 1, lambda: told.append("evict"))
    assert all(sample >= 1000 for sample in found[0].samples_us)
    assert all(sample >= 2000 for sample in found[1].samples_us)
    turns = told[4:]  # after two runs of each to warm up
    assert len(turns) % 5 == 0
    rounds = [turns[start : start + 5] for start in range(0, len(turns), 5)]
    assert len(rounds) >= MIN_SAMPLES
    for evict, *rest in rounds:
        assert evict == "evict"
        assert [word for word in rest if word.startswith("refresh")] == rest[::2]
        assert sorted(rest[1::2]) == ["run a", "run b"]
        assert [word.split()[1] for word in rest[::2]] == [word.split()[1] for word in rest[1::2]]
    assert len({tuple(rest) for _, *rest in rounds}) > 1
    taken = [len(samples.samples_us) + samples.preempted for samples in found]
    assert taken == [len(rounds)] * 2


def test_no_models_take_no_time() -> None:
    assert time_rounds([], 10, 1, lambda: None) == []
