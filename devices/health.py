"""Health: how a device is right now, and whether its timings can be trusted."""

from __future__ import annotations

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
    """

    cores: int
    load: float | None
    memory_available_mb: int | None
    frequency_mhz: int | None
    governor: str
    temperature_c: float | None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What may spoil timings, one sentence each."""
        found = []
        if self.load is not None and self.load > _BUSY_LOAD_PER_CORE * self.cores:
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
    """Ask a device how it is; DeviceError when it does not say."""
    return parse_health(read_files(device, _FILES))


def parse_health(files: Mapping[str, str]) -> Health:
    """Judge the texts of the kernel's files, by path."""
    frequencies_khz = _numbers(files, "/scaling_cur_freq")
    # Some sensors show what no silicon survives while they are switched off.
    temperatures = [value for value in _numbers(files, "/temp") if 0 < value < 150_000]
    load = files.get("/proc/loadavg", "").split()
    return Health(
        cores=count_cores(files.get("/proc/cpuinfo", "")),
        load=float(load[0]) if load else None,
        memory_available_mb=parse_meminfo(files.get("/proc/meminfo", "")).get("MemAvailable"),
        frequency_mhz=max(frequencies_khz) // 1000 if frequencies_khz else None,
        governor=parse_governor(files),
        temperature_c=max(temperatures) / 1000 if temperatures else None,
    )


def _numbers(files: Mapping[str, str], ending: str) -> list[int]:
    texts = (text.strip() for path, text in files.items() if path.endswith(ending))
    return [int(text) for text in texts if text.lstrip("-").isdigit()]
