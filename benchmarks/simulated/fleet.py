"""A fleet of simulated devices: real processes, each with a folder and a lock of its own."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from . import agent

_PYTHON = """#!{python} -ISE
import sys
sys.path.insert(0, {code!r})
from agent import main
sys.exit(main({device!r}, {folder!r}, {recording!r}, {pace!r}, {fault!r}, sys.argv))
"""


@dataclass(frozen=True, slots=True)
class Job:
    """A job of a simulated device; times are seconds of this machine's monotonic clock.

    Attributes:
        came_s: when it came.
        answered_s: when it was answered.
        models: that it measured.
        agent: the process that did it.
    """

    came_s: float
    answered_s: float
    models: int
    agent: int


@dataclass(frozen=True, slots=True)
class Simulated:
    """One of them.

    Attributes:
        name: of the device.
        folder: on this machine, for all that is the device's.
    """

    name: str
    folder: Path

    @property
    def python(self) -> Path:
        """The program that is its Python."""
        return self.folder / "python"

    @property
    def jobs(self) -> list[Job]:
        """What it was asked to do, in that order."""
        journal = self.folder / "journal"
        lines = journal.read_text().splitlines() if journal.exists() else []
        words = (line.split() for line in lines)
        return [
            Job(float(came), float(answered), int(models), int(pid))
            for came, answered, models, pid in words
        ]


def make(name: str, folder: Path, recording: Path, pace: float, fault: str = "") -> Simulated:
    """Make a simulated device.

    Args:
        name: of the device.
        folder: of its own, to be made.
        recording: to answer from.
        pace: how long a job takes, over how long the recorded one took.
        fault: as ``agent.main`` knows them, ``absent`` for a device that has not even a Python.
    """
    device = Simulated(name, folder)
    folder.mkdir(parents=True)
    if fault != "absent":
        device.python.write_text(
            _PYTHON.format(
                python=sys.executable,
                code=str(Path(agent.__file__).parent),
                device=name,
                folder=str(folder),
                recording=str(recording),
                pace=pace,
                fault=fault,
            )
        )
        device.python.chmod(0o700)
    return device


def write_inventory(devices: list[Simulated], path: Path) -> None:
    """Write an inventory of simulated devices."""
    entries = (
        f"[devices.{one.name}]\n"
        'address = "local"\n'
        f"root = {json.dumps(str(one.folder / 'root'))}\n"
        f"python = {json.dumps(str(one.python))}\n"
        for one in devices
    )
    path.write_text("\n".join(entries))
