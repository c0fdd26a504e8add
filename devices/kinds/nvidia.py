"""NVIDIA GPUs, as ``nvidia-smi`` tells.

Fields: ``nvidia-smi --help-query-gpu``; bits of the reasons why clocks are low: NVML API reference,
"Clocks event reasons". They were called throttle reasons before driver 535.

One GPU counts, the first: that is where runtimes run unless they are told otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..question import FOUND, Answer, Question
from ..texts import clean, decimal, whole
from .kind import Concern, Kind, Reading

# The last field takes the rest of its line, because names may hold anything.
_ABOUT = (
    "index",
    "driver_version",
    "memory.total",
    "persistence_mode",
    "mig.mode.current",
    "clocks.max.sm",
    "power.limit",
    "name",
)
_STATE = (
    "index",
    "uuid",
    "temperature.gpu",
    "clocks.sm",
    "power.draw",
    "utilization.gpu",
    "persistence_mode",
)
_PROCESSES = ("gpu_uuid", "pid", "process_name")
_MOST_SHOWN = 3
_MOST_ROWS = 10_000

_HOT_C = 85.0
_BUSY_PERCENT = 10
_REASONS = {
    0x4: ("it is at its power limit", "cool it, or raise the limit: nvidia-smi -pl"),
    0x8: ("its hardware slows it down", "check its cooling and its power supply"),
    0x20: ("its driver slows it down for heat", "cool it"),
    0x40: ("its hardware slows it down for heat", "cool it"),
    0x80: ("its power supply has it slowed down", "check the power supply"),
}
"""Bits of the reasons that are worth a word; idleness and clocks that somebody set are not."""

_TROUBLES = ("NVIDIA-SMI has failed", "Failed to initialize NVML", "Unable to determine")


@dataclass(frozen=True, slots=True)
class Gpu:
    """How the first GPU is; what it does not say is None.

    Attributes:
        temperature_c: of its core.
        clock_mhz: of its multiprocessors, which is low while it idles.
        power_w: that it draws.
        busy_percent: of the time some kernel ran.
        reasons: why its clocks are lower than they could be, as bits.
        processes: that compute on it, by name.
        persistent: whether its driver stays loaded while nobody uses it.
        trouble: what ``nvidia-smi`` complained of, if it did not answer.
    """

    temperature_c: float | None = None
    clock_mhz: int | None = None
    power_w: float | None = None
    busy_percent: int | None = None
    reasons: int = 0
    processes: tuple[str, ...] = ()
    persistent: bool | None = None
    trouble: str = ""
    of_gpu: bool = True

    @property
    def concerns(self) -> tuple[Concern, ...]:
        """What may spoil timings on the GPU."""
        if self.trouble:
            return (Concern(f"the GPU's driver does not answer: {self.trouble}; restart the host"),)
        found = []
        if self.processes:
            more = len(self.processes) - _MOST_SHOWN
            shown = ", ".join(self.processes[:_MOST_SHOWN]) + (
                f" and {more} more" if more > 0 else ""
            )
            found.append(f"others compute on the GPU: {shown}; end them, or wait")
        elif self.busy_percent is not None and self.busy_percent >= _BUSY_PERCENT:
            found.append(
                f"others use the GPU {self.busy_percent} % of the time, perhaps out of another "
                "container; end them, or wait"
            )
        if self.temperature_c is not None and self.temperature_c >= _HOT_C:
            found.append(f"the GPU is hot and may slow down: {self.temperature_c:g} °C; cool it")
        for bit, (what, mend) in _REASONS.items():
            if self.reasons & bit:
                found.append(f"the GPU is throttled: {what}; {mend}")
        concerns = [Concern(text) for text in found]
        if self.persistent is False:
            text = (
                "the GPU's driver is unloaded between agents, so its clocks start low; keep it: "
                "sudo nvidia-smi -pm 1"
            )
            concerns.append(Concern(text, now=False))
        return tuple(concerns)


def read_facts(answer: Answer) -> dict[str, str]:
    """Name the first GPU, its driver and how it is set up; empty where there is none."""
    rows = _rows(answer.get("nvidia_about", ""), _ABOUT)
    if not rows:
        return {}
    first = rows[0]
    facts = {
        "gpu": clean(first["name"]),
        "gpu_driver": clean(first["driver_version"]),
        "gpu_memory_mib": str(whole(first["memory.total"]) or "unknown"),
        "gpu_persistence": clean(first["persistence_mode"]).lower(),
        "gpu_mig": clean(first["mig.mode.current"]).lower().strip("[]"),
        "gpu_clock_mhz": str(whole(first["clocks.max.sm"]) or "unknown"),
        "gpu_power_limit_w": f"{decimal(first['power.limit']) or 0:g}",
    }
    return facts | {"gpus": str(len(rows))}


def read_state(answer: Answer) -> Reading:
    """Read how the first GPU is, and who else computes on it."""
    text = answer.get("nvidia_state", "")
    rows = _rows(text, (*_STATE, "reasons"))
    if not rows:
        trouble = next((line for line in text.split("\n") if line.startswith(_TROUBLES)), "")
        return Reading((Gpu(trouble=clean(trouble)),)) if trouble else Reading()
    first = rows[0]
    processes = [
        row["process_name"].rpartition("/")[2]
        for row in _rows(answer.get("nvidia_processes", ""), _PROCESSES)
        if row["gpu_uuid"] == first["uuid"] and whole(row["pid"]) is not None
    ]
    persistence = first["persistence_mode"]
    gpu = Gpu(
        temperature_c=decimal(first["temperature.gpu"]),
        clock_mhz=whole(first["clocks.sm"]),
        power_w=decimal(first["power.draw"]),
        busy_percent=whole(first["utilization.gpu"]),
        reasons=_bits(first["reasons"]),
        processes=tuple(clean(name) or "unknown" for name in processes),
        persistent={"Enabled": True, "Disabled": False}.get(persistence),
    )
    return Reading((gpu,))


def _rows(text: str, fields: tuple[str, ...]) -> list[Mapping[str, str]]:
    """Read lines of CSV without quotes; of what is none, nothing."""
    rows = []
    for line in text.split("\n")[:_MOST_ROWS]:
        values = [value.strip() for value in line.split(",", len(fields) - 1)]
        if len(values) == len(fields) and (fields[0] != "index" or whole(values[0]) is not None):
            rows.append(dict(zip(fields, values, strict=True)))
    return sorted(rows, key=lambda row: whole(row.get("index")) or 0)


def _bits(text: str) -> int:
    """Read a hexadecimal mask; 0 where there is none."""
    digits = text.strip().removeprefix("0x")
    hexadecimal = 0 < len(digits) <= 16 and all(each in "0123456789abcdefABCDEF" for each in digits)
    return int(digits, 16) if hexadecimal else 0


def _query(what: str, fields: tuple[str, ...]) -> str:
    # A driver in trouble may never answer.
    query = f"--query-{what}={','.join(fields)} --format=csv,noheader,nounits"
    return f"timeout 15 nvidia-smi {query} 2>&1"


NVIDIA = Kind(
    name="nvidia",
    about=Question(
        programs=(("nvidia_about", _query("gpu", _ABOUT)),),
        when=f"command -v nvidia-smi {FOUND}",
    ),
    state=Question(
        programs=(
            (
                "nvidia_state",
                # One field that a driver does not know is the end of the whole query.
                (
                    f"{_query('gpu', (*_STATE, 'clocks_event_reasons.active'))} || "
                    f"{_query('gpu', (*_STATE, 'clocks_throttle_reasons.active'))}"
                ),
            ),
            ("nvidia_processes", _query("compute-apps", _PROCESSES)),
        ),
        when=f"command -v nvidia-smi {FOUND}",
    ),
    facts=read_facts,
    reading=read_state,
)
