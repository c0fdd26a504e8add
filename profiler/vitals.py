"""Vitals: from what an agent says of its device to whether a batch was disturbed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..devices.health import Health
from ..tables.health import BatchHealth

_RESOLUTION_S = 0.1
"""Other programs that ran for less are not counted: kernels count in steps of 10 ms, and what they
do themselves goes to nobody."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """How a device was at one moment.

    Attributes:
        at_s: by a clock of its own that never jumps.
        busy_s: how long its processors have run any program.
        own_s: how long they have run the agent, and what started it.
        throttles: how often its cores were slowed down by heat since it was started.
        health: all the rest.
    """

    at_s: float
    busy_s: float | None
    own_s: float
    throttles: int | None
    health: Health


def read_vitals(values: Mapping[str, Any]) -> Vitals:
    """Read what an agent says; KeyError, TypeError or ValueError when it makes no sense."""

    def number(name: str, scale: float = 1.0) -> float | None:
        return None if name not in values else float(values[name]) * scale

    memory_mb, frequency_mhz = number("memory_available_mb"), number("frequency_khz", 1e-3)
    throttles, temperature_c = number("throttles"), number("temperature_mc", 1e-3)
    return Vitals(
        at_s=float(values["at_s"]),
        busy_s=number("busy_s"),
        own_s=float(values["own_s"]),
        throttles=None if throttles is None else int(throttles),
        health=Health(
            cores=int(values["cores"]),
            load=number("load"),
            memory_available_mb=None if memory_mb is None else int(memory_mb),
            frequency_mhz=None if frequency_mhz is None else int(frequency_mhz),
            governor=str(values.get("governor", "unknown")),
            temperature_c=temperature_c,
        ),
    )


def between(before: Vitals, after: Vitals, pass_index: int, started_at: str) -> BatchHealth:
    """Tell how a device was between two moments in which a batch was measured."""
    seconds = after.at_s - before.at_s
    busy_cores = _others(before, after, seconds)
    health = replace(after.health, busy_cores=busy_cores)
    throttles = None
    if before.throttles is not None and after.throttles is not None:
        throttles = after.throttles - before.throttles
    slowed = (f"its cores were slowed down by heat {throttles} times",) if throttles else ()
    return BatchHealth(
        pass_index=pass_index,
        started_at=started_at,
        seconds=seconds,
        warnings=(*health.warnings, *slowed),
        busy_cores=busy_cores,
        load=health.load,
        memory_available_mb=health.memory_available_mb,
        frequency_mhz=health.frequency_mhz,
        temperature_c=health.temperature_c,
        throttles=throttles,
        governor=health.governor,
    )


def _others(before: Vitals, after: Vitals, seconds: float) -> float | None:
    """Count the cores' worth of programs that ran besides the agent and what started it."""
    if before.busy_s is None or after.busy_s is None or seconds <= 0:
        return None
    others_s = (after.busy_s - before.busy_s) - (after.own_s - before.own_s)
    return others_s / seconds if others_s >= _RESOLUTION_S else 0.0
