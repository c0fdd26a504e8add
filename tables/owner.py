"""Owners: which process fills a table, and whether it still lives."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

SILENCE_S = 60.0
"""An owner that we cannot see, and that has been silent for so long, is taken for dead."""


@dataclass(frozen=True, slots=True)
class Owner:
    """A process that holds a lease.

    Attributes:
        place: host, boot and process namespace: within one, process ids can be compared.
        pid: its process id.
        started: when it started, in the kernel's words, because process ids are used again.
    """

    place: str
    pid: int
    started: str

    @classmethod
    def current(cls) -> Owner:
        """Return this process."""
        boot = _read(Path("/proc/sys/kernel/random/boot_id"))
        namespace = Path("/proc/self/ns/pid")
        inside = str(namespace.readlink()) if namespace.is_symlink() else ""
        return cls(f"{platform.node()} {boot} {inside}", os.getpid(), _started(os.getpid()))

    @property
    def host(self) -> str:
        """The name of its machine."""
        return self.place.split(" ")[0]

    def alive(self, silent_s: float) -> bool:
        """Tell whether it still runs: seen from the same place, or else by its heartbeat.

        Args:
            silent_s: seconds since its latest sign of life.
        """
        if self.place != Owner.current().place:
            return silent_s < SILENCE_S
        return _exists(self.pid) and _started(self.pid) == self.started


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _started(pid: int) -> str:
    """Return when a process started, in ticks since boot; empty where the kernel does not say."""
    status = _read(Path(f"/proc/{pid}/stat"))
    after_name = status.rpartition(")")[2].split()
    return after_name[19] if after_name else ""


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
