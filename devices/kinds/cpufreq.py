"""The frequencies of cores, and who governs them.

Files: Linux kernel, Documentation/admin-guide/pm/cpufreq.rst.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..question import Answer
from ..texts import clean, whole

CPUS = "/sys/devices/system/cpu"
_CORE = re.compile(rf"{CPUS}/cpu([0-9]{{1,4}})/(.+)")

DYNAMIC = ("intel_pstate", "amd-pstate-epp", "amd_pstate_epp")
"""Drivers of which ``powersave`` is the usual governor, and means that frequency follows load."""

_CAPPED_SHARE = 0.97


@dataclass(frozen=True, slots=True)
class CoreState:
    """One core; what the kernel does not say is None.

    Attributes:
        core: its number.
        frequency_mhz: now.
        cap_mhz: as high as it may go now.
        top_mhz: as high as its hardware goes.
        governor: of its frequency.
        busy: share of the time in which it ran some program, 0..1.
    """

    core: int
    frequency_mhz: int | None = None
    cap_mhz: int | None = None
    top_mhz: int | None = None
    governor: str = "unknown"
    busy: float | None = None

    @property
    def capped(self) -> bool:
        """Whether it may not go as high as it could."""
        if not self.cap_mhz or not self.top_mhz:
            return False
        return self.cap_mhz < _CAPPED_SHARE * self.top_mhz


def core_files(answer: Answer, name: str) -> dict[int, str]:
    """Return a file's text by core, such as that of ``cpu_capacity``."""
    found = {}
    for path, text in answer.items():
        if (match := _CORE.fullmatch(path)) is not None and match[2] == name:
            found[int(match[1])] = clean(text)
    return dict(sorted(found.items()))


def core_states(answer: Answer, busy: dict[int, float]) -> tuple[CoreState, ...]:
    """Read the state of every core that the kernel says something of."""

    def mhz(name: str) -> dict[int, int]:
        texts = core_files(answer, f"cpufreq/{name}").items()
        return {core: khz // 1000 for core, text in texts if (khz := whole(text)) and khz > 0}

    now, caps, tops = mhz("scaling_cur_freq"), mhz("scaling_max_freq"), mhz("cpuinfo_max_freq")
    governors = core_files(answer, "cpufreq/scaling_governor")
    return tuple(
        CoreState(
            core,
            now.get(core),
            caps.get(core),
            tops.get(core),
            governors.get(core) or "unknown",
            busy.get(core),
        )
        for core in sorted({*now, *caps, *tops, *governors, *busy})
    )


def governor_of(answer: Answer) -> str:
    """Name the governors of all cores, each once; ``unknown`` without any."""
    return names_of(core_files(answer, "cpufreq/scaling_governor").values())


def names_of(governors: Iterable[str]) -> str:
    """Join names of governors, each once; ``unknown`` without any."""
    return ",".join(sorted({name for name in governors if name and name != "unknown"})) or "unknown"


def saves_power(answer: Answer) -> bool:
    """Tell whether frequencies are kept low on purpose."""
    drivers = set(core_files(answer, "cpufreq/scaling_driver").values())
    preferences = set(core_files(answer, "cpufreq/energy_performance_preference").values())
    if drivers & set(DYNAMIC):
        return "power" in preferences
    return "powersave" in core_files(answer, "cpufreq/scaling_governor").values()


def at(states: Iterable[CoreState], frequency_mhz: int) -> tuple[CoreState, ...]:
    """Return states with another frequency, by whoever knows it better than the kernel."""
    return tuple(replace(state, frequency_mhz=frequency_mhz) for state in states)
