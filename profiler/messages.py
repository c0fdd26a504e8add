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
    """A model to time.

    Attributes:
        model: as ``AgentSession.place`` named it.
        window_ms: how long to sample, in milliseconds; at least five inferences.
        warmup_ms: how long to run before, untimed; at least three inferences.
        keep: whether the model stays loaded, to be timed again under the same name.
    """

    model: str
    window_ms: float = 20
    warmup_ms: float = 5
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Timing:
    """Samples of one window, as the agent took them.

    Attributes:
        samples_us: one latency per inference, in microseconds.
        preempted: inferences that were dropped because another program ran meanwhile.
        load_ms: how long loading the model took, in milliseconds.
        started_at: UTC, ISO 8601, by the device's clock.
    """

    samples_us: tuple[float, ...]
    preempted: int
    load_ms: float
    started_at: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A job that failed, while the agent lives on: such as a model that does not load."""

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


def read_timing(answer: Mapping[str, Any]) -> Timing | Refusal:
    """Read the answer to a job that measures."""
    if "error" in answer:
        return Refusal(str(answer["error"]))
    return Timing(
        samples_us=tuple(map(float, answer["samples_us"])),
        preempted=int(answer["preempted"]),
        load_ms=float(answer["load_ms"]),
        started_at=str(answer["started_at"]),
    )
