"""What a host and an agent say to each other, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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
        started_at: when the job began: UTC, ISO 8601, by the device's clock.
    """

    samples_us: tuple[float, ...]
    preempted: int
    started_at: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A model that could not be timed, while the agent lives on: such as one that does not load."""

    reason: str


def read_hello(event: Mapping[str, Any]) -> Hello:
    """Read the first event of an agent; KeyError when it lacks something."""
    return Hello(
        agent_version=event["agent_version"],
        runtime_version=event["runtime_version"],
        runtime_sha256=event["runtime_sha256"],
        python_version=event["python_version"],
        numpy_version=event["numpy_version"],
        affinity=tuple(event["affinity"]),
    )


def read_timings(answer: Mapping[str, Any], count: int) -> tuple[Timing | Refusal, ...]:
    """Read the answer to a job that measures ``count`` models, in the order of the job.

    Raises:
        KeyError, TypeError, ValueError: it is no such answer.
    """
    if "error" in answer:
        return (Refusal(str(answer["error"])),) * count
    windows = answer["windows"]
    if len(windows) != count:
        raise ValueError(f"{len(windows)} windows for {count} models")
    return tuple(_read_window(window, str(answer["started_at"])) for window in windows)


def _read_window(window: Mapping[str, Any], started_at: str) -> Timing | Refusal:
    if "error" in window:
        return Refusal(str(window["error"]))
    samples_us = tuple(map(float, window["samples_us"]))
    return Timing(samples_us, int(window["preempted"]), started_at)
