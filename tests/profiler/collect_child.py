"""A collector to be killed: prints a line for every window that it has acknowledged.

``python collect_child.py DEVICE STORE LIMIT`` is killed by the kernel as it makes a file larger
than ``LIMIT`` bytes; 0 is no limit.
"""

from __future__ import annotations

import resource
import signal
import sys
from pathlib import Path

import numpy as np

from sartor.devices import LocalDevice
from sartor.profiler import Progress, batches, collect, make_plan
from sartor.profiler.reference import reference_graph
from sartor.tables.errors import SartorError
from sartor.tables.operator import Operator
from sartor.tables.provenance import Condition
from sartor.tables.store import Store

TABLE = "t"
OPERATORS = tuple(
    Operator.parse(f"conv2d/{channels}x14x14/kernel=1,out=16,stride=1/relu/float32")
    for channels in range(1, 19)
)
PLAN = make_plan(OPERATORS, [reference_graph()], passes=2)
CONDITION = Condition("litert")
BATCH = 3
"""Operators in a batch of the child's; each batch is a commit, and there are to be many."""


def acknowledge(progress: Progress) -> None:
    """Print what is safe now."""
    sys.stdout.write(f"{progress.pass_index} {progress.subject}\n")
    sys.stdout.flush()


def dies_at(size: int) -> None:
    """Let the kernel kill this process when it makes a file larger than so many bytes."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it


def main(root: str, where: str, limit: str = "0") -> None:
    """Collect; an error is a line of its own."""
    if limit != "0":
        dies_at(int(limit))
    batches._MOST_MODELS = BATCH
    device = LocalDevice(Path(root))
    with Store.open(where) as store:
        collect(device, store, TABLE, PLAN, CONDITION, np.random.default_rng(0), acknowledge)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except SartorError as error:
        sys.exit(f"{type(error).__name__}: {error}")
