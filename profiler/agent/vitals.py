"""Vitals: how the device is, as its kernel tells between two jobs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

_CPUS = Path("/sys/devices/system/cpu")
_ZONES = Path("/sys/class/thermal")


class VitalSigns:
    """Knows which of the kernel's files this device has, and reads them."""

    def __init__(self) -> None:
        self._frequencies = sorted(_CPUS.glob("cpu[0-9]*/cpufreq/scaling_cur_freq"))
        self._governors = sorted(_CPUS.glob("cpu[0-9]*/cpufreq/scaling_governor"))
        self._throttles = sorted(_CPUS.glob("cpu[0-9]*/thermal_throttle/core_throttle_count"))
        self._temperatures = sorted(_ZONES.glob("thermal_zone*/temp"))

    def read(self) -> dict[str, object]:
        """Return what the kernel tells now; what it does not tell is left out.

        ``busy_s`` counts the seconds of all processors since the start of the device in which some
        program ran, and ``own_s`` those of this process and the one that started it: on a host that
        measures itself, that is the collector.
        """
        load = _words(Path("/proc/loadavg"))
        found = {
            "at_s": time.monotonic(),
            "cores": os.cpu_count(),
            "busy_s": _busy_s(),
            "own_s": sum(os.times()[:2]) + _process_s(os.getppid()),
            "load": float(load[0]) if load else None,
            "memory_available_mb": _memory_available_mb(),
            "frequency_khz": max(_numbers(self._frequencies), default=None),
            "temperature_mc": max(_numbers(self._temperatures), default=None),
            "throttles": sum(_numbers(self._throttles)) if self._throttles else None,
            "governor": "/".join(sorted({" ".join(_words(path)) for path in self._governors})),
        }
        return {name: value for name, value in found.items() if value not in (None, "")}


def _busy_s() -> float | None:
    """Sum what all processors did but idling and waiting for disks."""
    name, *ticks = _words(Path("/proc/stat"))[:9] or [""]
    if name != "cpu" or len(ticks) < 5:
        return None
    counts = list(map(int, ticks))
    return (sum(counts) - counts[3] - counts[4]) / os.sysconf("SC_CLK_TCK")


def _process_s(pid: int) -> float:
    """Return the time that a process has run, 0 where the kernel does not say."""
    after_name = " ".join(_words(Path(f"/proc/{pid}/stat"))).rpartition(")")[2].split()
    return sum(map(int, after_name[11:13])) / os.sysconf("SC_CLK_TCK")


def _memory_available_mb() -> int | None:
    words = _words(Path("/proc/meminfo"))
    if "MemAvailable:" not in words:
        return None
    return int(words[words.index("MemAvailable:") + 1]) * 1024 // 1_000_000


def _numbers(paths: Iterable[Path]) -> list[int]:
    texts = (" ".join(_words(path)) for path in paths)
    return [int(text) for text in texts if text.lstrip("-").isdigit()]


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:  # a sensor that is switched off
        return []
