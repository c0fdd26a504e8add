"""Facts: what a device is. They change with its hardware and its software, not by the minute."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..tables.errors import CommandFailedError, DeviceError
from .files import read_files

if TYPE_CHECKING:
    from .device import Device

_FILES = (
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/etc/os-release",
    "/proc/device-tree/model",
    "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
)
_RUNTIMES = ("ai-edge-litert", "onnxruntime", "onnxruntime-gpu", "tflite-runtime", "torch")
_DISTRIBUTIONS = ("numpy", *_RUNTIMES)
_ASK_PYTHON = f"""
import json, platform
from importlib import metadata
found = {{"python": platform.python_version()}}
for name in {_DISTRIBUTIONS!r}:
    try:
        found[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""
_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What a device is.

    Attributes:
        cpu_model: as the kernel names it.
        cores: logical ones that the kernel sees.
        governor: of the cores' frequency, ``unknown`` where the kernel offers none.
        memory_mb: in all, in megabytes (10⁶ bytes).
        system: the distribution and its version.
        kernel: name and release.
        architecture: such as ``x86_64`` or ``aarch64``.
        distributions: (name, version) of Python and of the packages that matter here, sorted.
    """

    cpu_model: str
    cores: int
    governor: str
    memory_mb: int
    system: str
    kernel: str
    architecture: str
    distributions: tuple[tuple[str, str], ...]

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """All facts as (name, value), sorted by name, for the provenance of a table."""
        own = {
            "architecture": self.architecture,
            "cores": str(self.cores),
            "cpu_model": self.cpu_model,
            "governor": self.governor,
            "kernel": self.kernel,
            "memory_mb": str(self.memory_mb),
            "system": self.system,
        }
        return tuple(sorted((own | dict(self.distributions)).items()))


def read_facts(device: Device) -> DeviceFacts:
    """Ask a device what it is; DeviceError when it does not say."""
    files = read_files(device, _FILES)
    uname = device.run(["uname", "-srm"], _TIMEOUT_S)
    words = uname.stdout.split()
    if len(words) != 3:
        raise DeviceError(f"{device.name} does not know its kernel: {uname.stderr.strip()}")
    python = device.run([device.python, "-c", _ASK_PYTHON], _TIMEOUT_S)
    if python.exit_code:
        raise CommandFailedError(
            f"{device.python} on {device.name} does not work: {python.stderr.strip()}"
        )
    cpuinfo = files.get("/proc/cpuinfo", "")
    return DeviceFacts(
        cpu_model=parse_cpu_model(cpuinfo, files.get("/proc/device-tree/model", "")),
        cores=count_cores(cpuinfo),
        governor=parse_governor(files),
        memory_mb=parse_meminfo(files.get("/proc/meminfo", ""))["MemTotal"],
        system=parse_os_release(files.get("/etc/os-release", "")),
        kernel=f"{words[0]} {words[1]}",
        architecture=words[2],
        distributions=tuple(sorted(json.loads(python.stdout).items())),
    )


def parse_cpu_model(cpuinfo: str, device_tree: str = "") -> str:
    """Name the processor.

    Args:
        cpuinfo: the text of ``/proc/cpuinfo``.
        device_tree: the text of ``/proc/device-tree/model``, which names a board; ARM kernels
            name a processor only by numbers.
    """
    fields = _colon_pairs(cpuinfo)
    if model := fields.get("model name"):
        return model
    board = device_tree.strip("\0\n ") or fields.get("Model") or fields.get("Hardware")
    part = f"CPU {fields.get('CPU implementer', '?')}/{fields.get('CPU part', '?')}"
    return f"{board} ({part})" if board else part


def count_cores(cpuinfo: str) -> int:
    """Count the logical cores in the text of ``/proc/cpuinfo``."""
    return sum(line.startswith("processor") for line in cpuinfo.splitlines())


def parse_meminfo(meminfo: str) -> dict[str, int]:
    """Read ``/proc/meminfo``: megabytes (10⁶ bytes) by name; no total counts as 0."""
    sizes = {"MemTotal": 0}
    for name, value in _colon_pairs(meminfo).items():
        number, _, unit = value.partition(" ")
        if unit == "kB":
            sizes[name] = int(number) * 1024 // 1_000_000
    return sizes


def parse_os_release(text: str) -> str:
    """Name the distribution by the text of ``/etc/os-release``."""
    pairs = (line.partition("=") for line in text.splitlines())
    fields = {name: value.strip("\"'") for name, _, value in pairs}
    return fields.get("PRETTY_NAME") or fields.get("NAME") or "unknown"


def parse_governor(files: Mapping[str, str]) -> str:
    """Name the frequency governors of all cores, each once; ``unknown`` without any."""
    names = {text.strip() for path, text in files.items() if path.endswith("/scaling_governor")}
    return ",".join(sorted(names)) or "unknown"


def _colon_pairs(text: str) -> dict[str, str]:
    """Read lines of the form ``NAME : VALUE``; the first of a name counts."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip(), value.strip())
    return fields
