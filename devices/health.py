"""Health: how a device is right now, and whether its timings can be trusted."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .facts import count_cores, parse_governor, parse_meminfo
from .files import read_files

if TYPE_CHECKING:
    from .device import Device

_FILES = (
    "/proc/cpuinfo",
    "/proc/loadavg",
    "/proc/meminfo",
    "/sys/class/thermal/thermal_zone*/temp",
    "/sys/devices/system/cpu/cpu*/cpufreq/scaling_cur_freq",
    "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
)
_THROTTLES = "/sys/devices/system/cpu/cpu*/thermal_throttle/core_throttle_count"
_STAT = "/proc/stat"
_WATCHED_S = 0.5
_BUSY_CORES = 0.3
_BUSY_LOAD_PER_CORE = 0.5
_HOT_C = 80.0
_SCARCE_MEMORY_MB = 300


@dataclass(frozen=True, slots=True)
class Health:
    """How a device was at one moment. A value that the kernel does not offer is None.

    Attributes:
        cores: logical ones.
        load: average number of running programs over the last minute.
        memory_available_mb: for new programs, in megabytes (10⁶ bytes).
        frequency_mhz: of the fastest core now.
        governor: of the cores' frequency, or ``unknown``.
        temperature_c: of the hottest sensor.
        busy_cores: how many cores' worth of other programs ran just now.
        throttles: how often its cores were slowed down by heat since it was started.
    """

    cores: int
    load: float | None
    memory_available_mb: int | None
    frequency_mhz: int | None
    governor: str
    temperature_c: float | None
    busy_cores: float | None = None
    throttles: int | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What may spoil timings, one sentence each."""
        found = []
        if self.busy_cores is not None:
            if self.busy_cores > _BUSY_CORES:
                busy = f"{self.busy_cores:.1f} of {self.cores} cores are busy"
                found.append(f"other programs are running: {busy}")
        elif self.load is not None and self.load > _BUSY_LOAD_PER_CORE * self.cores:
            found.append(f"other programs are running: load {self.load:g} on {self.cores} cores")
        if self.temperature_c is not None and self.temperature_c >= _HOT_C:
            found.append(f"it is hot and may slow down: {self.temperature_c:g} °C")
        if self.governor == "powersave":
            found.append("the governor powersave keeps frequencies low; set performance")
        if self.memory_available_mb is not None and self.memory_available_mb < _SCARCE_MEMORY_MB:
            found.append(f"only {self.memory_available_mb} MB of memory are available")
        return tuple(found)

    @property
    def verdict(self) -> str:
        """``quiet`` when nothing speaks against timing now, otherwise ``disturbed``."""
        return "disturbed" if self.warnings else "quiet"


def read_health(device: Device) -> Health:
    """Watch a device for half a second; DeviceError when it does not say how it is."""
    before = read_files(device, (_STAT,))
    time.sleep(_WATCHED_S)
    return parse_health(read_files(device, (*_FILES, _STAT, _THROTTLES)), before)


def parse_health(files: Mapping[str, str], before: Mapping[str, str] | None = None) -> Health:
    """Judge the texts of the kernel's files, by path.

    Args:
        files: now.
        before: some time ago; what was busy is counted from then on.
    """
    cores = count_cores(files.get("/proc/cpuinfo", ""))
    throttles = _numbers(files, "/core_throttle_count")
    frequencies_khz = _numbers(files, "/scaling_cur_freq")
    # Some sensors show what no silicon survives while they are switched off.
    temperatures = [value for value in _numbers(files, "/temp") if 0 < value < 150_000]
    load = files.get("/proc/loadavg", "").split()
    return Health(
        cores=cores,
        load=float(load[0]) if load else None,
        memory_available_mb=parse_meminfo(files.get("/proc/meminfo", "")).get("MemAvailable"),
        frequency_mhz=max(frequencies_khz) // 1000 if frequencies_khz else None,
        governor=parse_governor(files),
        temperature_c=max(temperatures) / 1000 if temperatures else None,
        busy_cores=_busy_cores(cores, (before or {}).get(_STAT, ""), files.get(_STAT, "")),
        throttles=sum(throttles) if throttles else None,
    )


def _busy_cores(cores: int, before: str, after: str) -> float | None:
    """Count how many cores were busy between two texts of ``/proc/stat``."""
    counts = [_ticks(before), _ticks(after)]
    if len(counts[0]) < 5 or len(counts[0]) != len(counts[1]):
        return None
    ticks = [now - then for then, now in zip(*counts, strict=True)]
    idle = ticks[3] + ticks[4]  # waiting for disks is no work either
    return cores * (1 - idle / sum(ticks)) if sum(ticks) > 0 else None


def _ticks(stat: str) -> list[int]:
    """Read how long all cores together did what: user, nice, system, idle, iowait, ….

    Time given to guests is counted as user time already.
    """
    name, *words = (stat.splitlines() or [""])[0].split() or [""]
    return [int(word) for word in words[:8]] if name == "cpu" else []


def _numbers(files: Mapping[str, str], ending: str) -> list[int]:
    texts = (text.strip() for path, text in files.items() if path.endswith(ending))
    return [int(text) for text in texts if text.lstrip("-").isdigit()]
