"""One timed window: how samples are taken, and which are dropped."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from typing import NamedTuple

MIN_WARM_RUNS = 3
MIN_SAMPLES = 5
MAX_SAMPLES = 2000
PATIENCE = 20
"""With so many samples taken, fewer than ``MIN_SAMPLES`` clean ones have to do."""

TOLERATED_SHARE = 0.03
TOLERATED_NS = 3000


class Samples(NamedTuple):
    """What a window found.

    ``preempted`` counts the inferences that were dropped because another program ran meanwhile.
    """

    samples_us: list[float]
    preempted: int


def time_window(
    run: Callable[[], object],
    window_ms: float,
    warmup_ms: float,
    threads: int,
    clock_ns: Callable[[], int] = time.perf_counter_ns,
) -> Samples:
    """Run a model again and again for a while, timing every inference.

    An inference during which another program ran says nothing about the model. With one thread
    that shows as wall time beyond the thread's own CPU time (over 3 %, and over 3 µs, which is
    what reading the clocks may cost). With more, the workers' waiting is part of the latency and
    CPU time says nothing; there an inference is dropped when the kernel took a processor from any
    thread of this process (involuntary context switches).

    The window goes on until it holds at least 5 clean samples. On a machine so busy that 20 were
    not enough for that, the fastest of the others stand in.

    Args:
        run: one inference.
        window_ms: how long to sample, in milliseconds.
        warmup_ms: how long to run before, untimed; at least three inferences.
        threads: that the runtime uses.
        clock_ns: the wall clock, monotonic.
    """
    gauge = time.thread_time_ns if threads == 1 else _involuntary_switches
    preempted = _lost_time if threads == 1 else _lost_processor
    warm_until = clock_ns() + int(warmup_ms * 1e6)
    runs = 0
    while runs < MIN_WARM_RUNS or clock_ns() < warm_until:
        run()
        runs += 1
    clean: list[int] = []
    dropped: list[int] = []
    until = clock_ns() + int(window_ms * 1e6)
    while len(clean) + len(dropped) < MAX_SAMPLES:
        before, start = gauge(), clock_ns()
        run()
        end, after = clock_ns(), gauge()
        (dropped if preempted(end - start, after - before) else clean).append(end - start)
        enough = len(clean) >= MIN_SAMPLES or len(clean) + len(dropped) >= PATIENCE
        if end >= until and enough:
            break
    missing = max(0, MIN_SAMPLES - len(clean))
    kept = clean + sorted(dropped)[:missing]
    return Samples([wall_ns / 1000 for wall_ns in kept], len(clean) + len(dropped) - len(kept))


def _lost_time(wall_ns: int, cpu_ns: int) -> bool:
    return wall_ns - cpu_ns > max(TOLERATED_SHARE * wall_ns, TOLERATED_NS)


def _lost_processor(_: int, switches: int) -> bool:
    return switches > 0


def _involuntary_switches() -> int:
    """Count how often the kernel took a processor from a thread of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
