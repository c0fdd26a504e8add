"""A collector to be killed: prints a line for every window that it has acknowledged."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from sartor.devices import LocalDevice
from sartor.profiler import Progress, collect, make_plan
from sartor.profiler.reference import reference_graph
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


def acknowledge(progress: Progress) -> None:
    """Print what is safe now."""
    sys.stdout.write(f"{progress.pass_index} {progress.subject}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    device = LocalDevice(Path(sys.argv[1]))
    with Store.open(sys.argv[2]) as store:
        collect(device, store, TABLE, PLAN, CONDITION, np.random.default_rng(0), acknowledge)
