"""What every Linux tells, Android included: ``/proc`` and ``/sys``.

Files: proc(5); Linux kernel, Documentation/ABI/testing/sysfs-devices-system-cpu and
sysfs-class-thermal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress

from ...tables.cores import parse_cores
from ...tables.errors import FormatError
from ..question import FOUND, Answer, Question
from ..texts import clean, colon_pairs, decimal, whole
from .cpufreq import CPUS, core_files, governor_of
from .quota import AFTER, BEFORE, read_quota

_CPUINFO = (
    "cpuinfo",
    # Without the flags, which are most of it on big hosts, and without serial numbers.
    (
        "grep -E '^(processor|model name|microcode|CPU implementer|CPU part|Hardware|Model)' "
        "/proc/cpuinfo"
    ),
)
_TURBO = {
    f"{CPUS}/intel_pstate/no_turbo": {"0": "on", "1": "off"},
    f"{CPUS}/cpufreq/boost": {"1": "on", "0": "off"},
}
_MACHINE = ("/sys/class/dmi/id/sys_vendor", "/sys/class/dmi/id/product_name")
_KINDS_OF_CORES = ("/sys/devices/cpu_core/cpus", "/sys/devices/cpu_atom/cpus")
_PRESENT = f"{CPUS}/present"

ABOUT = Question(
    files=(
        "/proc/meminfo",
        "/etc/os-release",
        *_MACHINE,
        *_TURBO,
        *_KINDS_OF_CORES,
        _PRESENT,
        f"{CPUS}/online",
        f"{CPUS}/cpu[0-9]*/cpu_capacity",
        f"{CPUS}/cpu[0-9]*/cpufreq/cpuinfo_max_freq",
        f"{CPUS}/cpu[0-9]*/cpufreq/scaling_governor",
    ),
    programs=(
        ("uname", "uname -srm"),
        _CPUINFO,
        ("board", r"cat /proc/device-tree/model | tr '\000' '\n'"),
        ("virtual", f"grep -qw hypervisor /proc/cpuinfo {FOUND} && echo yes"),
        (
            "container",
            (
                "[ -e /.dockerenv ] && echo docker; [ -e /run/.containerenv ] && echo podman; "
                '[ -n "$KUBERNETES_SERVICE_HOST" ] && echo kubernetes; cat /run/systemd/container'
            ),
        ),
        AFTER,
    ),
)
"""Asked for facts."""

STATE = Question(
    files=(
        "/proc/loadavg",
        "/proc/meminfo",
        _PRESENT,
        "/sys/class/thermal/thermal_zone*/temp",
        f"{CPUS}/cpu[0-9]*/cpufreq/scaling_cur_freq",
        f"{CPUS}/cpu[0-9]*/cpufreq/scaling_max_freq",
        f"{CPUS}/cpu[0-9]*/cpufreq/cpuinfo_max_freq",
        f"{CPUS}/cpu[0-9]*/cpufreq/scaling_governor",
        f"{CPUS}/cpu[0-9]*/cpufreq/scaling_driver",
        f"{CPUS}/cpu[0-9]*/cpufreq/energy_performance_preference",
        f"{CPUS}/cpu[0-9]*/thermal_throttle/core_throttle_count",
    ),
    programs=(
        BEFORE,
        ("stat_before", "grep '^cpu' /proc/stat"),
        # What reads the rest keeps the device busy, so it comes later. Not every busybox can sleep
        # for half a second.
        ("stat", "sleep 0.5 2>/dev/null || sleep 1; grep '^cpu' /proc/stat"),
        AFTER,
        _CPUINFO,
    ),
)
"""Asked for health: the device is watched for half a second."""


def read_facts(answer: Answer) -> dict[str, str]:
    """Read what a Linux is; what it does not say is left out, or ``unknown``."""
    kernel = clean(answer.get("uname", "")).rsplit(" ", 1)
    cores = count_cores(answer)
    facts = {
        "cpu_model": cpu_model(answer.get("cpuinfo", ""), answer.get("board", "")),
        "cores": str(cores),
        "governor": governor_of(answer),
        "memory_mb": str(memory_mb(answer, "MemTotal") or 0),
        "system": system(answer.get("/etc/os-release", "")),
        "kernel": kernel[0] or "unknown",
        "architecture": kernel[1] if len(kernel) == 2 else "unknown",
    }
    cpuinfo = colon_pairs(answer.get("cpuinfo", ""))
    machine = " ".join(filter(None, (clean(answer.get(path, "")) for path in _MACHINE)))
    turbo = [states.get(answer.get(path, "").strip()) for path, states in _TURBO.items()]
    quota = read_quota(answer, cores)
    containers = clean(answer.get("container", "")).split()
    further = {
        "microcode": cpuinfo.get("microcode"),
        "turbo": next(filter(None, turbo), None),
        "machine": machine,
        "virtual": "yes" if answer.get("virtual", "").strip() == "yes" else None,
        "container": next((word for word in containers if re.fullmatch("[a-z-]+", word)), None),
        "cpu_limit": f"{quota.cores:.3g} cores" if quota else None,
    }
    return facts | {name: value for name, value in further.items() if value}


def cpu_model(cpuinfo: str, board: str = "") -> str:
    """Name the processor.

    Args:
        cpuinfo: the text of ``/proc/cpuinfo``.
        board: the text of ``/proc/device-tree/model``; ARM kernels name a processor only by
            numbers.
    """
    fields = colon_pairs(cpuinfo)
    if model := fields.get("model name"):
        return model
    board = clean(board) or fields.get("Model") or fields.get("Hardware") or ""
    part = f"CPU {fields.get('CPU implementer', '?')}/{fields.get('CPU part', '?')}"
    return f"{board} ({part})" if board else part


def part_of_core(cpuinfo: str) -> dict[int, str]:
    """Return what ARM calls a core's part, by core; nothing elsewhere."""
    found: dict[int, str] = {}
    core = None
    for line in cpuinfo.split("\n"):
        name, _, value = line.partition(":")
        if name.strip() == "processor":
            core = whole(value)
        elif name.strip() == "CPU part" and core is not None:
            found[core] = clean(value)
    return found


def count_cores(answer: Answer) -> int:
    """Count the logical cores; 0 where nobody says."""
    listed = answer.get("cpuinfo", "").split("\n")
    if any(line.startswith("CPU part") for line in listed):
        # Phones take cores off line as they like, and then these are not listed.
        with suppress(FormatError):
            return len(parse_cores(answer.get(_PRESENT, "").strip()))
    counted = sum(re.match(r"processor\s*:", line) is not None for line in listed)
    with suppress(FormatError):
        return counted or len(parse_cores(answer.get(_PRESENT, "").strip()))
    return counted


def memory_mb(answer: Answer, name: str) -> int | None:
    """Read a size of ``/proc/meminfo`` in megabytes (10⁶ bytes)."""
    number, _, unit = colon_pairs(answer.get("/proc/meminfo", "")).get(name, "").partition(" ")
    size_kib = whole(number)
    return size_kib * 1024 // 1_000_000 if size_kib is not None and unit == "kB" else None


def system(os_release: str) -> str:
    """Name the distribution by the text of ``/etc/os-release``."""
    pairs = (line.partition("=") for line in os_release.split("\n"))
    fields = {name: clean(value.strip("\"' \r")) for name, _, value in pairs}
    return fields.get("PRETTY_NAME") or fields.get("NAME") or "unknown"


def temperature_c(answer: Answer) -> float | None:
    """Return the hottest sensor's temperature.

    Some show what no silicon survives while they are switched off. Old kernels count in °C, all
    others in thousandths.
    """
    found = []
    for path, text in answer.items():
        if path.startswith("/sys/class/thermal/") and (value := decimal(text)) is not None:
            degrees = value if value <= 150 else value / 1000
            if 0 < degrees < 150 and not 150 < value < 1000:
                found.append(degrees)
    return max(found, default=None)


def busy_shares(answer: Answer) -> dict[int | None, float]:
    """Return the share of time in which cores ran some program, by core; all together are None."""
    before, after = _ticks(answer.get("stat_before", "")), _ticks(answer.get("stat", ""))
    found: dict[int | None, float] = {}
    for core, counts in after.items():
        then = before.get(core, counts)
        # The kernel takes some waiting for disks back.
        ticks = [max(0, now - at) for at, now in zip(then, counts, strict=False)]
        idle = ticks[3] + ticks[4]  # waiting for disks is no work either
        if sum(ticks) > 0:
            found[core] = 1 - idle / sum(ticks)
    return found


def _ticks(stat: str) -> dict[int | None, list[int]]:
    """Read how long cores did what: user, nice, system, idle, iowait, ….

    Time given to guests is counted as user time already.
    """
    found: dict[int | None, list[int]] = {}
    for line in stat.split("\n"):
        name, *words = line.split() or [""]
        counts = [count for word in words[:8] if (count := whole(word)) is not None]
        core = whole(name.removeprefix("cpu"))
        if name.startswith("cpu") and len(counts) >= 5 and (core is not None or name == "cpu"):
            found[core] = counts
    return found


def throttles(answer: Answer) -> int | None:
    """Count how often cores were slowed down by heat since the start; None where nobody counts."""
    counts = core_files(answer, "thermal_throttle/core_throttle_count").values()
    known = [count for text in counts if (count := whole(text)) is not None]
    return sum(known) if known else None


def load(answer: Answer) -> float | None:
    """Return the average number of running programs over the last minute."""
    words: Mapping[int, str] = dict(enumerate(answer.get("/proc/loadavg", "").split()))
    return decimal(words.get(0))


def hybrid_cores(answer: Answer) -> tuple[tuple[int, ...], ...]:
    """Return the cores of an Intel hybrid: its fast ones and its slow ones; nothing elsewhere."""
    groups = []
    for path in _KINDS_OF_CORES:
        with suppress(FormatError):
            groups.append(parse_cores(answer.get(path, "").strip()))
    return tuple(groups) if len(groups) == len(_KINDS_OF_CORES) else ()
