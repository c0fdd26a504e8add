"""What a host and an agent say to each other, as values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ..tables.cores import MOST_CORES

_SHORTEST_US, _LONGEST_US = 1e-3, 1e10  # a nanosecond, and three hours
_MOST = 1 << 31
_LONGEST_REASON = 2000  # characters


@dataclass(frozen=True, slots=True)
class Hello:
    """What an agent says about itself when it starts.

    Attributes:
        agent_version: of the agent's code.
        runtime_version: distribution and version, such as ``ai-edge-litert 2.3.0``.
        runtime_sha256: of the runtime's main binary.
        python_version: of the interpreter that runs the agent.
        numpy_version: that the agent imported.
        affinity: the processors that it may use.
    """

    agent_version: str
    runtime_version: str
    runtime_sha256: str
    python_version: str
    numpy_version: str
    affinity: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MeasureJob:
    """Models to time.

    Attributes:
        models: as ``AgentSession.place`` named them.
        window_ms: how long to sample each, in milliseconds; at least five inferences.
        warmup_ms: how long to run each before, untimed; at least three inferences.
        keep: whether the models stay loaded, to be timed again under the same names.
        reuse: whether their files stay, to be loaded again under the same names.
        evict_mb: None to run each model again and again, one after another. Otherwise they run in
            turns, cold, and so many megabytes of other memory are read before each round.
    """

    models: tuple[str, ...]
    window_ms: float = 20
    warmup_ms: float = 5
    keep: bool = False
    reuse: bool = False
    evict_mb: float | None = None

    def to_dict(self) -> dict[str, object]:
        """Write the job as the agent reads it."""
        job: dict[str, object] = {
            "measure": list(self.models),
            "window_ms": self.window_ms,
            "warmup_ms": self.warmup_ms,
            "keep": self.keep,
            "reuse": self.reuse,
        }
        return job if self.evict_mb is None else job | {"evict_mb": self.evict_mb}


@dataclass(frozen=True, slots=True)
class Timing:
    """Samples of one window, as the agent took them.

    Attributes:
        samples_us: one latency per inference, in microseconds.
        preempted: inferences that were dropped because another program ran meanwhile.
        started_at: when the job began: UTC, ISO 8601, by the host's clock.
    """

    samples_us: tuple[float, ...]
    preempted: int
    started_at: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A model that could not be timed, while the agent lives on: such as one that does not load."""

    reason: str


@dataclass(frozen=True, slots=True)
class Clock:
    """Tells by the host's clock when something happened on a device, whose own may be wrong.

    Attributes:
        host_at: a moment.
        device_s: the same by a clock of the device that never jumps, in seconds.
    """

    host_at: datetime
    device_s: float

    def date(self, device_s: float) -> str:
        """Return a moment as UTC, ISO 8601; ValueError or ArithmeticError if it cannot be."""
        moment = self.host_at + timedelta(seconds=device_s - self.device_s)
        return moment.isoformat(timespec="milliseconds")


def read_hello(event: Mapping[str, Any]) -> Hello:
    """Read the first event of an agent; KeyError, TypeError or ValueError if it makes no sense."""
    return Hello(
        agent_version=event["agent_version"],
        runtime_version=event["runtime_version"],
        runtime_sha256=event["runtime_sha256"],
        python_version=event["python_version"],
        numpy_version=event["numpy_version"],
        affinity=_cores(event["affinity"]),
    )


def _cores(numbers: object) -> tuple[int, ...]:
    if not isinstance(numbers, list) or not all(isinstance(number, int) for number in numbers):
        raise TypeError("the processors that an agent may use are a list of numbers")
    if not all(0 <= number < MOST_CORES for number in numbers):
        raise ValueError("processors have small numbers")
    return tuple(sorted(set(numbers)))


def read_timings(
    answer: Mapping[str, Any], count: int, clock: Clock
) -> tuple[Timing | Refusal, ...]:
    """Read the answer to a job that measures ``count`` models, in the order of the job.

    Args:
        answer: of the agent.
        count: of the models.
        clock: that dates it.

    Raises:
        LookupError, TypeError, ValueError, ArithmeticError: it is no such answer.
    """
    if "error" in answer:
        return (_refusal(answer),) * count
    windows = answer["windows"]
    if len(windows) != count:
        raise ValueError(f"{len(windows)} windows for {count} models")
    started_at = clock.date(float(answer["started_s"]))
    return tuple(_read_window(window, started_at) for window in windows)


def read_busy_ms(answer: Mapping[str, Any]) -> float:
    """Read how long a job took, in milliseconds; the same errors as those of ``read_timings``."""
    busy_ms = float(answer.get("busy_ms", 0))  # a job that failed as a whole does not say
    if not (math.isfinite(busy_ms) and busy_ms >= 0):
        raise ValueError(f"{busy_ms} ms is no time that a job can have taken")
    return busy_ms


def _read_window(window: Mapping[str, Any], started_at: str) -> Timing | Refusal:
    if not isinstance(window, dict):
        raise TypeError(f"a window is no {type(window).__name__}")
    if "error" in window:
        return _refusal(window)
    samples_us, preempted = window["samples_us"], window["preempted"]
    if not isinstance(samples_us, list) or not isinstance(preempted, int):
        raise TypeError("samples are a list, and what was dropped is a count")
    if not samples_us or not all(_SHORTEST_US <= sample <= _LONGEST_US for sample in samples_us):
        raise ValueError("samples are at least one, each of a nanosecond or more")
    if not 0 <= preempted < _MOST:
        raise ValueError(f"{preempted} inferences cannot have been dropped")
    return Timing(tuple(map(float, samples_us)), preempted, started_at)


def _refusal(answer: Mapping[str, Any]) -> Refusal:
    """Read why, as far as it is text: runtimes quote whatever they find in a file."""
    reason = str(answer["error"])[:_LONGEST_REASON]
    return Refusal(reason.encode(errors="replace").decode())
