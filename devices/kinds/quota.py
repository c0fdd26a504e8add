"""Limits on processor time: the kernel stops a container that has used up its share.

Files: Linux kernel, Documentation/admin-guide/cgroup-v2.rst ("CPU interface files") and
Documentation/scheduler/sched-bwc.rst (of cgroup v1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..question import Answer, read_answer
from ..texts import whole
from .kind import Concern

_PERIOD_US = 100_000  # what v1 and v2 take where nobody says

# Groups are nested, and each may have a limit; a container sees its own as the outermost.
_WALK = (
    "for m in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/cpu; do "
    "for d in $(sed -nE 's/^0:://p; s/^[0-9]+:(cpu|cpu,cpuacct|cpuacct,cpu)://p' "
    "/proc/self/cgroup); do "
    'while :; do d=${d%/}; grep -sH "" FILES; [ -n "$d" ] || break; d=${d%/*}; done; done; done'
)


def _walk(*names: str) -> str:
    return _WALK.replace("FILES", " ".join(f"$m$d/{name}" for name in names))


BEFORE = ("quota_before", _walk("cpu.stat"))
AFTER = ("quota", _walk("cpu.max", "cpu.stat", "cpu.cfs_quota_us", "cpu.cfs_period_us"))
"""Programs of a question: what is read before watching, and after."""


@dataclass(frozen=True, slots=True)
class Quota:
    """The tightest limit on processor time that holds for our programs.

    Attributes:
        cores: worth of time that it allows.
        stopped: how often programs under a limit were stopped while we watched.
        stopped_before: and before that.
    """

    cores: float
    stopped: int
    stopped_before: int = 0
    of_gpu: bool = False

    @property
    def concerns(self) -> tuple[Concern, ...]:
        """Whether the kernel stops programs, or may."""
        limit = f"a limit of {self.cores:.3g} cores"
        mend = "raise it (docker run --cpus, limits.cpu, CPUQuota=), or use fewer --threads"
        if self.stopped:
            return (
                Concern(f"the kernel stops its programs for {limit} on processor time; {mend}"),
            )
        text = f"it has {limit} on processor time, and what goes beyond is stopped; {mend}"
        return (Concern(text, now=False),)


def read_quota(answer: Answer, cores: int) -> Quota | None:
    """Read the limits of the groups that we are in; None where there are none.

    Args:
        answer: to the two questions.
        cores: that there are; a limit of as many limits nothing.
    """
    files = read_answer(answer.get(AFTER[0], ""))
    limits = [limit for limit in _limits(files) if limit < cores]
    stopped, before = _stops(files), _stops(read_answer(answer.get(BEFORE[0], "")))
    if not limits:
        return None
    now = sum(max(0, count - before.get(path, count)) for path, count in stopped.items())
    return Quota(min(limits), now, sum(before.values()))


def _limits(files: Mapping[str, str]) -> Iterator[float]:
    """Yield every limit, in cores."""
    for path, text in files.items():
        if path.endswith("/cpu.max"):  # such as "150000 100000", or "max 100000"
            words = [*text.split(), "", ""]
            quota_us, period_us = whole(words[0]), whole(words[1]) or _PERIOD_US
        elif path.endswith("/cpu.cfs_quota_us"):  # -1 for no limit
            period = files.get(path.replace("_quota_", "_period_"), "")
            quota_us, period_us = whole(_first(text)), whole(_first(period)) or _PERIOD_US
        else:
            continue
        if quota_us is not None and quota_us > 0 and period_us > 0:
            yield quota_us / period_us


def _stops(files: Mapping[str, str]) -> dict[str, int]:
    """Return how often each group was stopped."""
    found = {}
    for path, text in files.items():
        for line in text.split("\n"):
            name, _, count = line.partition(" ")
            if path.endswith("/cpu.stat") and name == "nr_throttled":
                found[path] = max(0, whole(count) or 0)
    return found


def _first(text: str) -> str:
    """Return the first line: where two hierarchies share a folder, files are read twice."""
    return text.partition("\n")[0]
