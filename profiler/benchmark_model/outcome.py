"""What benchmark_model finds out about a model, however it says so."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...tables.errors import FormatError

LONGEST_NAME = 500
"""Characters of a name that are kept: after fusing, some are made of a hundred others."""

_LONGEST_US = 1e10  # three hours
_MOST_RUNS = 1 << 40


@dataclass(frozen=True, slots=True)
class Latencies:
    """Statistics over the inferences of one phase. What the tool does not tell is None.

    It tells whole microseconds of each inference, so the mean is finer than all the others.

    Attributes:
        count: of inferences.
        mean_us: in microseconds, as all the others.
        std_us: standard deviation of all inferences (over ``count``, not one less).
        min_us: of the fastest.
        max_us: of the slowest.
        first_us: of the first.
        p5_us: what 5 % are faster than.
        median_us: the middle one.
        p95_us: what 95 % are faster than.

    Raises:
        FormatError: no inferences, or numbers that no clock can have shown.
    """

    count: int
    mean_us: float
    std_us: float
    min_us: float
    max_us: float
    first_us: float | None = None
    p5_us: float | None = None
    median_us: float | None = None
    p95_us: float | None = None

    def __post_init__(self) -> None:
        times = (self.min_us, self.mean_us, self.max_us, self.std_us)
        others = (self.first_us, self.p5_us, self.median_us, self.p95_us)
        known = [*times, *(value for value in others if value is not None)]
        if not 1 <= self.count <= _MOST_RUNS:
            raise FormatError(f"{self.count} inferences are no statistics")
        if not all(math.isfinite(value) and 0 <= value <= _LONGEST_US for value in known):
            raise FormatError(f"no clock can have shown {known} µs")
        if not self.min_us * (1 - 1e-4) <= self.mean_us <= self.max_us * (1 + 1e-4) + 1e-6:
            raise FormatError(
                f"a mean of {self.mean_us:g} µs does not lie between {self.min_us:g} and "
                f"{self.max_us:g} µs"
            )


@dataclass(frozen=True, slots=True)
class OperatorLatency:
    """What one node of a model's graph takes of an inference, by the tool's own profiler.

    The profiler takes time itself: the sum over all nodes is more than an inference without it.

    Attributes:
        kind: such as ``CONV_2D``, or what a delegate calls it.
        name: of the node, at most its beginning.
        part: that the node belongs to: empty for the main graph, ``delegate NAME``,
            ``subgraph N``.
        mean_us: in microseconds.
        times_called: in one inference.
        first_us: of the first inference.
        std_us: standard deviation, where the tool tells.
        min_us: the fastest, where the tool tells.
        max_us: the slowest, where the tool tells.
        memory_kb: that it allocated, in kilobytes (1000 bytes).
    """

    kind: str
    name: str
    part: str
    mean_us: float
    times_called: int
    first_us: float | None = None
    std_us: float | None = None
    min_us: float | None = None
    max_us: float | None = None
    memory_kb: float | None = None

    def __post_init__(self) -> None:
        known = [self.mean_us, self.first_us, self.std_us, self.min_us, self.max_us]
        times = [value for value in known if value is not None]
        if not all(math.isfinite(value) and 0 <= value <= _LONGEST_US for value in times):
            raise FormatError(f"no clock can have shown {times} µs")
        if not 0 <= self.times_called < _MOST_RUNS:
            raise FormatError(f"no node is called {self.times_called} times")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of the tool says about a model as a whole.

    Attributes:
        inference: of the inferences that count.
        warmup: of those before; None where it does not say.
        init_us: how long loading took, in microseconds; None where it does not say.
        init_memory_kb: what loading added to its memory, in kilobytes (1024 bytes), where it says.
        overall_memory_kb: the same of everything.
        operators: in the order in which they ran; empty without its profiler.
    """

    inference: Latencies
    warmup: Latencies | None = None
    init_us: float | None = None
    init_memory_kb: float | None = None
    overall_memory_kb: float | None = None
    operators: tuple[OperatorLatency, ...] = ()
