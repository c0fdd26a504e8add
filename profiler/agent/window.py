"""Timed windows: how samples are taken, and which are dropped.

An inference during which another program ran says nothing about the model. With one thread that
shows as wall time beyond the thread's own CPU time (over 3 %, and over 3 µs, which is what reading
the clocks may cost). With more, the workers' waiting is part of the latency and CPU time says
nothing; there an inference is dropped when the kernel took a processor from any thread of this
process (involuntary context switches).

Where the model was run by a processor with a clock of its own (a GPU), that clock's time is the
sample. Whether it was disturbed is still told by the thread that waited for it: by default CUDA's
spins while it waits, so its CPU time is the wall time unless another program ran.

A window goes on until it holds at least 5 clean samples. On a machine so busy that 20 were not
enough for that, the fastest of the others stand in.
"""

from __future__ import annotations

import random
import resource
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

MIN_WARM_RUNS = 3
MIN_SAMPLES = 5
MAX_SAMPLES = 2000
PATIENCE = 20
"""With so many samples taken, fewer than ``MIN_SAMPLES`` clean ones have to do."""

TOLERATED_SHARE = 0.03
TOLERATED_NS = 3000

_COLD_WARM_RUNS = 2


class Samples(NamedTuple):
    """What a window found.

    ``preempted`` counts the inferences that were dropped because another program ran meanwhile.
    """

    samples_us: list[float]
    preempted: int


class Timeable(Protocol):
    """A loaded model, ready to be run again and again."""

    def run(self) -> int | None:
        """Run one inference; return its time in nanoseconds if a clock of its own took it."""

    def refresh(self) -> None:
        """Write inputs and outputs anew, as whatever comes before the model in a network would."""


def time_window(
    run: Callable[[], int | None],
    window_ms: float,
    warmup_ms: float,
    threads: int,
    clock_ns: Callable[[], int] = time.perf_counter_ns,
) -> Samples:
    """Run a model again and again for a while, timing every inference.

    Args:
        run: one inference; returns its time in nanoseconds if a clock of its own took it.
        window_ms: how long to sample, in milliseconds.
        warmup_ms: how long to run before, untimed; at least three inferences.
        threads: that the runtime uses.
        clock_ns: the wall clock, monotonic.
    """
    warm_until = clock_ns() + int(warmup_ms * 1e6)
    runs = 0
    while runs < MIN_WARM_RUNS or clock_ns() < warm_until:
        run()
        runs += 1
    recorder = Recorder(threads, clock_ns)
    until = clock_ns() + int(window_ms * 1e6)
    while not recorder.full:
        end = recorder.time(run)
        if end >= until and recorder.enough:
            break
    return recorder.samples()


def time_rounds(
    models: Sequence[Timeable],
    window_ms: float,
    threads: int,
    evict: Callable[[], object],
    clock_ns: Callable[[], int] = time.perf_counter_ns,
) -> list[Samples]:
    """Run models in turns, round after round, timing every inference: as cold as in a network.

    Between two inferences of one model all the others run, and then ``evict``; so a model finds its
    weights where a network would find them, not in the caches nearest to the core, where running
    it again and again would keep them. Its inputs and the memory of its outputs are written just
    before it runs, as previous operators of a network do.

    Args:
        models: to be timed; their order changes from round to round.
        window_ms: how long to sample, in milliseconds, for each of them.
        threads: that the runtime uses.
        evict: is called before every round.
        clock_ns: the wall clock, monotonic.
    """
    for model in models:
        for _ in range(_COLD_WARM_RUNS):
            model.run()
    turns = [(model, Recorder(threads, clock_ns)) for model in models]
    shuffle = random.Random(0).shuffle  # noqa: S311 (an order, no secret)
    until = clock_ns() + int(len(models) * window_ms * 1e6)
    while not all(recorder.full for _, recorder in turns):
        shuffle(turns)
        evict()
        end = 0
        for model, recorder in turns:
            model.refresh()
            end = recorder.time(model.run)
        if end >= until and all(recorder.enough for _, recorder in turns):
            break
    found = {id(model): recorder for model, recorder in turns}
    return [found[id(model)].samples() for model in models]


class Recorder:
    """Times inferences one by one, and keeps those that another program disturbed apart.

    Args:
        threads: that the runtime uses.
        clock_ns: the wall clock, monotonic.
    """

    def __init__(self, threads: int, clock_ns: Callable[[], int]) -> None:
        self._gauge = time.thread_time_ns if threads == 1 else _involuntary_switches
        self._preempted = _lost_time if threads == 1 else _lost_processor
        self._clock_ns = clock_ns
        self._clean: list[int] = []
        self._dropped: list[int] = []

    @property
    def enough(self) -> bool:
        """Whether there are as many samples as a window needs."""
        taken = len(self._clean) + len(self._dropped)
        return len(self._clean) >= MIN_SAMPLES or taken >= PATIENCE

    @property
    def full(self) -> bool:
        """Whether more samples would be of no use."""
        return len(self._clean) + len(self._dropped) >= MAX_SAMPLES

    def time(self, run: Callable[[], int | None]) -> int:
        """Time one inference; return when it ended, in nanoseconds."""
        gauge, clock_ns = self._gauge, self._clock_ns
        before, start = gauge(), clock_ns()
        own_ns = run()
        end, after = clock_ns(), gauge()
        disturbed = self._preempted(end - start, after - before)
        taken_ns = end - start if own_ns is None else own_ns
        (self._dropped if disturbed else self._clean).append(taken_ns)
        return end

    def samples(self) -> Samples:
        """Return the clean samples; the fastest others fill up where there are too few."""
        missing = max(0, MIN_SAMPLES - len(self._clean))
        kept = self._clean + sorted(self._dropped)[:missing]
        taken = len(self._clean) + len(self._dropped)
        return Samples([wall_ns / 1000 for wall_ns in kept], taken - len(kept))


def _lost_time(wall_ns: int, cpu_ns: int) -> bool:
    return wall_ns - cpu_ns > max(TOLERATED_SHARE * wall_ns, TOLERATED_NS)


def _lost_processor(_: int, switches: int) -> bool:
    return switches > 0


def _involuntary_switches() -> int:
    """Count how often the kernel took a processor from a thread of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
