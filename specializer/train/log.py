"""The log of a training run: one line of JSON for each step, each step once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ...tables.atomic import write_atomically
from ...tables.errors import OutputError


@dataclass(frozen=True, slots=True)
class Step:
    """What one step of training reports.

    Attributes:
        phase: its name.
        step: within the phase, counted from 1.
        steps: of the phase.
        loss: cross-entropy to the target, mean over the step's sub-networks.
        accuracy: top-1 of the batch under training, mean over the step's sub-networks.
        seconds: that the step took.
    """

    phase: str
    step: int
    steps: int
    loss: float
    accuracy: float
    seconds: float


def append_step(path: Path, step: Step) -> None:
    """Add a line to the log; OutputError when it cannot be written."""
    try:
        with path.open("a", encoding="utf-8") as log:
            log.write(json.dumps(asdict(step)) + "\n")
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror}; free some space and start again: "
            "the run goes on from its last checkpoint"
        ) from error


def rewind(path: Path, phases: Sequence[str], phase: int, step: int) -> None:
    """Drop the lines behind a checkpoint, which a resumed run will write again.

    Args:
        path: of the log; it need not exist.
        phases: names in order.
        phase: index of the phase that the checkpoint is in.
        step: how many steps of it are done.
    """
    if not path.exists():
        return
    kept = [
        line
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        if _happened(line, phases, phase, step)
    ]
    write_atomically(path, "".join(kept).encode())


def _happened(line: str, phases: Sequence[str], phase: int, step: int) -> bool:
    try:
        logged = json.loads(line)
        return (phases.index(logged["phase"]), int(logged["step"])) <= (phase, step)
    except (ValueError, KeyError, TypeError):  # a line that a crash left half-written
        return False
