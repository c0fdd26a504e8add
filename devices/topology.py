"""Which cores of a device are alike, and which are fast: clusters, and how users name them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from ..tables.cores import cores_text, parse_cores
from ..tables.errors import CoresError, FormatError
from .kinds.cpufreq import core_files
from .kinds.linux import hybrid_cores, part_of_core
from .question import Answer
from .texts import whole

BIG, MID, LITTLE = "big", "mid", "little"


@dataclass(frozen=True, slots=True)
class Cluster:
    """Cores that are alike.

    Attributes:
        cores: their numbers, in order.
        top_mhz: as high as they go; 0 where nobody says.
        capacity: how much they do, as the kernel rates it, the best having 1024; 0 where nobody
            says.
        part: what ARM calls them, such as ``0xd05``; empty elsewhere.
    """

    cores: tuple[int, ...]
    top_mhz: int = 0
    capacity: int = 0
    part: str = ""

    def __str__(self) -> str:
        speed = f" at {self.top_mhz} MHz" if self.top_mhz else ""
        return f"{cores_text(self.cores)}{speed}"


def read_clusters(answer: Answer) -> tuple[Cluster, ...]:
    """Sort cores into clusters, the slowest first.

    ARM's are told apart by part, capacity and highest frequency. Elsewhere some cores of one kind
    are rated a little above the others, which makes no cluster; there the kernel says which kind
    each is, if there are two.

    Source of the capacities: Linux kernel, Documentation/scheduler/sched-capacity.rst.
    """
    parts = part_of_core(answer.get("cpuinfo", ""))
    capacities = _numbers(answer, "cpu_capacity")
    tops = {core: khz // 1000 for core, khz in _numbers(answer, "cpufreq/cpuinfo_max_freq").items()}
    slow = set(hybrid_cores(answer)[-1]) if hybrid_cores(answer) else set()
    known = sorted({*parts, *capacities, *tops})
    if len(known) > 1 and set(known) == slow:
        slow = set()

    def kind(core: int) -> tuple[Hashable, ...]:
        if not parts:
            return (core in slow,)
        return (parts.get(core, ""), capacities.get(core, 0), tops.get(core, 0))

    groups: dict[tuple[Hashable, ...], list[int]] = {}
    for core in known:
        groups.setdefault(kind(core), []).append(core)
    clusters = [
        Cluster(
            tuple(cores),
            max(tops.get(core, 0) for core in cores),
            max(capacities.get(core, 0) for core in cores),
            parts.get(cores[0], ""),
        )
        for cores in groups.values()
    ]
    return tuple(sorted(clusters, key=lambda one: (one.capacity, one.top_mhz, one.part, one.cores)))


def choose_cores(
    device: str, clusters: Sequence[Cluster], cores: int, text: str
) -> tuple[int, ...]:
    """Return the cores that a user means.

    Args:
        device: its name, for complaints.
        clusters: of the device, the slowest first.
        cores: that the device has.
        text: ``big`` for the fastest cluster, ``little`` for the slowest, ``mid`` for all between
            them, or a list such as ``4-7``.

    Raises:
        CoresError: the device has no such cores.
        FormatError: the text is neither.
    """
    known = sorted(core for cluster in clusters for core in cluster.cores) or list(range(cores))
    if text in (BIG, MID, LITTLE):
        named = {BIG: clusters[-1:], MID: clusters[1:-1], LITTLE: clusters[:-1][:1]}[text]
        chosen = tuple(sorted(core for cluster in named for core in cluster.cores))
        if not chosen:
            kinds = f"{len(clusters)} kinds of cores" if len(clusters) > 1 else "one kind of cores"
            raise CoresError(
                f"{device} has no {text} cores: it has {kinds} ({_listed(clusters) or 'unknown'}); "
                "name some of them, such as --cores 0-1"
            )
        return chosen
    try:
        asked = parse_cores(text)
    except FormatError as error:
        raise FormatError(f"{error}; --cores takes big, mid, little, or such a list") from error
    if missing := set(asked) - set(known):
        raise CoresError(
            f"{device} has no core {cores_text(missing)}; "
            f"it has {_listed(clusters) or cores_text(known)}"
        )
    return asked


def _listed(clusters: Sequence[Cluster]) -> str:
    return ", ".join(map(str, clusters))


def _numbers(answer: Answer, name: str) -> dict[int, int]:
    texts = core_files(answer, name).items()
    return {core: number for core, text in texts if (number := whole(text)) and number > 0}
