"""Vitals: how the device is, as its kernel tells between two jobs."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable
from pathlib import Path

_CPUS = Path("/sys/devices/system/cpu")
_ZONES = Path("/sys/class/thermal")
_BATTERY = Path("/sys/class/power_supply/battery")
_FIRMWARE = Path("/sys/devices/platform")
_GROUPS = Path("/sys/fs/cgroup")
_GROUP = re.compile(r"[0-9]+:(|cpu|cpu,cpuacct|cpuacct,cpu):(/.*)")
_HERTZ = os.sysconf("SC_CLK_TCK")


class VitalSigns:
    """Knows which of the kernel's files this device has and lets us read, and reads them.

    What is said of cores is said of those that this process may use, all of them as a rule.
    """

    def __init__(self) -> None:
        self._cores = sorted(os.sched_getaffinity(0))
        self._pinned = len(self._cores) < (os.cpu_count() or 1)
        self._frequencies = self._of_cores("cpufreq/scaling_cur_freq")
        self._caps = self._of_cores("cpufreq/scaling_max_freq")
        self._tops = self._of_cores("cpufreq/cpuinfo_max_freq")
        self._governors = self._of_cores("cpufreq/scaling_governor")
        self._drivers = self._of_cores("cpufreq/scaling_driver")
        self._throttles = self._of_cores("thermal_throttle/core_throttle_count")
        self._temperatures = _readable(_ZONES.glob("thermal_zone*/temp"))
        self._battery = _readable([_BATTERY / "temp"])
        self._firmware = _readable(_FIRMWARE.glob("soc*/soc*firmware/get_throttled"))
        self._groups = _readable(_stat_files())

    def read(self) -> dict[str, object]:
        """Return what the kernel tells now; what it does not tell is left out.

        ``busy_s`` counts the seconds of our processors since the start of the device in which some
        program ran, and ``own_s`` those of this process and the one that started it: on a host that
        measures itself, that is the collector.
        """
        load = _words(Path("/proc/loadavg"))
        found = {
            "at_s": time.monotonic(),
            "cores": len(self._cores),
            "busy_s": self._busy_s(),
            "own_s": self._own_s(),
            "load": float(load[0]) if load and not self._pinned else None,
            "memory_available_mb": _memory_available_mb(),
            "frequency_khz": max(_numbers(self._frequencies), default=None),
            "cap_khz": max(_numbers(self._caps), default=None),
            "top_khz": max(_numbers(self._tops), default=None),
            "temperature_mc": max(_numbers(self._temperatures), default=None),
            "battery_dc": max(_numbers(self._battery), default=None),
            "throttles": sum(_numbers(self._throttles)) if self._throttles else None,
            "firmware": " ".join(word for path in self._firmware for word in _words(path)),
            "stops": sum(map(_stops, self._groups)) if self._groups else None,
            "governor": _names(self._governors),
            "driver": _names(self._drivers),
        }
        return {name: value for name, value in found.items() if value not in (None, "")}

    def _of_cores(self, name: str) -> list[Path]:
        return _readable(_CPUS / f"cpu{core}" / name for core in self._cores)

    def _busy_s(self) -> float | None:
        """Sum what our processors did but idling and waiting for disks."""
        wanted = {f"cpu{core}" for core in self._cores} if self._pinned else {"cpu"}
        total, found = 0, 0
        for line in _lines(Path("/proc/stat")):
            name, *ticks = line.split()[:9] or [""]
            if name in wanted and len(ticks) >= 5:
                counts = list(map(int, ticks))
                total, found = total + sum(counts) - counts[3] - counts[4], found + 1
        return total / _HERTZ if found else None

    def _own_s(self) -> float:
        """Sum what this process did, and the one that started it where that uses our processors."""
        parent = os.getppid()
        try:
            beside = os.sched_getaffinity(parent).isdisjoint(self._cores)
        except OSError:  # it is gone, or another user's
            beside = False
        return sum(os.times()[:2]) + (0.0 if beside else _process_s(parent))


def _process_s(pid: int) -> float:
    """Return the time that a process has run, 0 where the kernel does not say."""
    after_name = " ".join(_words(Path(f"/proc/{pid}/stat"))).rpartition(")")[2].split()
    return sum(map(int, after_name[11:13])) / _HERTZ


def _memory_available_mb() -> int | None:
    words = _words(Path("/proc/meminfo"))
    if "MemAvailable:" not in words:
        return None
    return int(words[words.index("MemAvailable:") + 1]) * 1024 // 1_000_000


def _stat_files() -> list[Path]:
    """Name where the kernel may count how often it stopped programs for a limit on their time."""
    groups = (_GROUP.fullmatch(line) for line in _lines(Path("/proc/self/cgroup")))
    found = []
    for group in filter(None, groups):
        mounts = ("cpu", "cpu,cpuacct") if group[1] else ("", "unified")
        path = Path(group[2].lstrip("/"))
        nested = [path, *path.parents]
        found += [_GROUPS / mount / each / "cpu.stat" for mount in mounts for each in nested]
    return list(dict.fromkeys(path.resolve() for path in found))


def _stops(path: Path) -> int:
    words = _words(path)
    return int(words[words.index("nr_throttled") + 1]) if "nr_throttled" in words else 0


def _names(paths: Iterable[Path]) -> str:
    return "/".join(sorted({" ".join(_words(path)) for path in paths}))


def _numbers(paths: Iterable[Path]) -> list[int]:
    texts = (" ".join(_words(path)) for path in paths)
    return [int(text) for text in texts if text.lstrip("-").isdigit()]


def _readable(paths: Iterable[Path]) -> list[Path]:
    """Return those that can be read, so that the others are not tried again and again."""
    return [path for path in sorted(paths) if _words(path)]


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:  # not there, a sensor that is switched off, or nothing for this user
        return []
