"""Facts: what a device is. They change with its hardware and its software, not by the minute."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .kinds import KINDS
from .kinds.linux import ABOUT
from .kinds.linux import read_facts as read_linux
from .question import Answer, Question, ask
from .texts import clean, whole
from .topology import Cluster, choose_cores, read_clusters

if TYPE_CHECKING:
    from .device import Device

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
_NAMED = ("architecture", "cores", "cpu_model", "governor", "kernel", "memory_mb", "system")


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What a device is.

    Attributes:
        cpu_model: as the kernel names it; of a phone, its model and chip.
        cores: logical ones that the kernel sees.
        governor: of the cores' frequency, ``unknown`` where the kernel offers none.
        memory_mb: in all, in megabytes (10⁶ bytes).
        system: the distribution and its version.
        kernel: name and release.
        architecture: such as ``x86_64`` or ``aarch64``.
        distributions: (name, version) of Python and of the packages that matter here, sorted; none
            where there is no Python, as on phones.
        kinds: of devices that it is, besides a Linux: ``android``, ``raspberry_pi``, ``nvidia``.
        special: (name, value) of what only such devices have, sorted.
        clusters: of its cores, the slowest first.
    """

    cpu_model: str
    cores: int
    governor: str
    memory_mb: int
    system: str
    kernel: str
    architecture: str
    distributions: tuple[tuple[str, str], ...]
    kinds: tuple[str, ...] = ()
    special: tuple[tuple[str, str], ...] = ()
    clusters: tuple[Cluster, ...] = ()

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """All facts as (name, value), sorted by name, for the provenance of a table."""
        own = {name: str(getattr(self, name)) for name in _NAMED}
        if len(self.clusters) > 1:
            own["clusters"] = "; ".join(map(str, self.clusters))
        return tuple(sorted((own | dict(self.special) | dict(self.distributions)).items()))


def read_facts(device: Device) -> DeviceFacts:
    """Ask a device what it is, in one round trip; DeviceError when it does not say."""
    python = f"{shlex.quote(device.python)} -c {shlex.quote(_ASK_PYTHON)}"
    about = (kind.about for kind in KINDS)
    return parse_facts(ask(device, ABOUT, Question(programs=(("python", python),)), *about))


def find_cores(device: Device, text: str) -> tuple[int, ...]:
    """Return the cores of a device that a user means by ``big``, ``mid``, ``little`` or a list.

    Args:
        device: to ask, unless the text is empty.
        text: as ``--cores`` has it; empty for no cores in particular, which gives none.

    Raises:
        CoresError: the device has no such cores.
        FormatError: the text is neither.
        DeviceError: the device is gone.
    """
    if not text:
        return ()
    facts = read_facts(device)
    return choose_cores(device.name, facts.clusters, facts.cores, text)


def parse_facts(answer: Answer) -> DeviceFacts:
    """Make facts of what a device said; whatever makes no sense is ``unknown`` or left out."""
    found = dict(read_linux(answer))
    kinds = []
    for kind in KINDS:
        if special := kind.facts(answer):
            kinds.append(kind.name)
            found |= special
    return DeviceFacts(
        cpu_model=found["cpu_model"],
        cores=whole(found["cores"]) or 0,
        governor=found["governor"],
        memory_mb=whole(found["memory_mb"]) or 0,
        system=found["system"],
        kernel=found["kernel"],
        architecture=found["architecture"],
        distributions=_distributions(answer.get("python", "")),
        kinds=tuple(kinds),
        special=tuple(sorted((name, found[name]) for name in found.keys() - set(_NAMED))),
        clusters=read_clusters(answer),
    )


def _distributions(said: str) -> tuple[tuple[str, str], ...]:
    """Read what Python knows; nothing where there is none."""
    try:
        found = json.loads(said)
    except (ValueError, RecursionError):
        return ()
    if not isinstance(found, Mapping):
        return ()
    known = (name for name in ("python", *_DISTRIBUTIONS) if isinstance(found.get(name), str))
    return tuple(sorted((name, clean(found[name])) for name in known))
