"""Vitals: from what an agent says of its device to whether a batch was disturbed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..devices.health import Health
from ..devices.kinds import Part
from ..devices.kinds.android import Battery
from ..devices.kinds.cpufreq import DYNAMIC
from ..devices.kinds.raspberry_pi import SINCE_BOOT, Firmware
from ..devices.texts import clean
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
        cap_mhz: as high as the frequency of its cores may go.
        stops: how often programs were stopped for a limit on processor time.
        firmware: what a Raspberry Pi's firmware says, as bits.
        health: all the rest.
    """

    at_s: float
    busy_s: float | None
    own_s: float
    throttles: int | None
    cap_mhz: int | None
    stops: int | None
    firmware: int | None
    health: Health


def read_vitals(values: Mapping[str, Any]) -> Vitals:
    """Read what an agent says.

    Raises:
        KeyError, TypeError, ValueError, OverflowError: it makes no sense.
    """

    def number(name: str, scale: float = 1.0) -> float | None:
        return None if name not in values else float(values[name]) * scale

    def count(name: str, scale: float = 1.0) -> int | None:
        found = number(name, scale)
        return None if found is None else int(found)

    at_s = float(values["at_s"])
    governor, driver = clean(str(values.get("governor", "unknown"))), str(values.get("driver", ""))
    firmware = int(str(values["firmware"])[:8], 16) if "firmware" in values else None
    cap_mhz = count("cap_khz", 1e-3)
    return Vitals(
        at_s=at_s,
        busy_s=number("busy_s"),
        own_s=float(values["own_s"]),
        throttles=count("throttles"),
        cap_mhz=cap_mhz,
        stops=count("stops"),
        firmware=firmware,
        health=Health(
            cores=int(values["cores"]),
            load=number("load"),
            memory_available_mb=count("memory_available_mb"),
            frequency_mhz=count("frequency_khz", 1e-3),
            governor=governor,
            temperature_c=number("temperature_mc", 1e-3),
            saves_power="powersave" in governor.split("/") and driver not in DYNAMIC,
            parts=_parts(firmware, number("battery_dc", 0.1)),
        ),
    )


def _parts(firmware: int | None, battery_c: float | None) -> tuple[Part, ...]:
    """Say what only some devices do."""
    found: list[Part] = []
    if firmware is not None:
        found.append(Firmware(firmware))
    if battery_c is not None:
        found.append(Battery(None, battery_c, charging=False))
    return tuple(found)


def between(before: Vitals, after: Vitals, pass_index: int, started_at: str) -> BatchHealth:
    """Tell how a device was between two moments in which a batch was measured."""
    seconds = after.at_s - before.at_s
    busy_cores = _others(before, after, seconds)
    health = replace(after.health, busy_cores=busy_cores)
    throttles = _more(before.throttles, after.throttles)
    return BatchHealth(
        pass_index=pass_index,
        started_at=started_at,
        seconds=seconds,
        warnings=(*health.disturbances, *_slowed(before, after)),
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


def _slowed(before: Vitals, after: Vitals) -> Iterator[str]:
    """Say what slowed the device down between two moments, whatever it is like at both."""
    if throttles := _more(before.throttles, after.throttles):
        yield f"its cores were slowed down by heat {throttles} times"
    if stops := _more(before.stops, after.stops):
        yield f"the kernel stopped its programs {stops} times for a limit on processor time"
    if before.cap_mhz and after.cap_mhz and after.cap_mhz < before.cap_mhz:
        yield f"the frequency of its cores was capped at {after.cap_mhz} MHz"
    if before.firmware is not None and after.firmware is not None:
        new = (after.firmware & ~before.firmware) >> SINCE_BOOT
        passed = new & ~after.firmware  # what still holds is said already
        if passed & (1 << SINCE_BOOT) - 1:
            yield "its firmware slowed it down for a moment, for heat or undervoltage"


def _more(before: int | None, after: int | None) -> int | None:
    """Return by how much a counter has grown; None where nobody counts."""
    return None if before is None or after is None else max(0, after - before)
