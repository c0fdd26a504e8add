"""Collections in these tests, and what has to be there after them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from sartor.devices import LocalDevice
from sartor.profiler import CollectionReport, Plan, collect, make_plan
from sartor.tables import LatencyTable, Store

from . import collect_child
from .collect_child import CONDITION, OPERATORS, TABLE

FEW = make_plan(OPERATORS[:5], passes=1)
"""Operators of 1, 2, … input channels."""


def run(device: LocalDevice, store: Store, plan: Plan) -> CollectionReport:
    """Collect in this process, whatever the machine is like."""
    return collect(device, store, TABLE, plan, CONDITION, np.random.default_rng(1))


def collector(device: LocalDevice, where: str, limit: int = 0) -> subprocess.Popen[str]:
    """Start a process that collects, and prints what it has acknowledged."""
    command = [sys.executable, str(collect_child.__file__), str(device.root), where, str(limit)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def acknowledged_by(lines: list[str]) -> set[tuple[str, int]]:
    """Return (text of the subject, pass) of what collectors have printed, each once."""
    found = {(subject, int(index)) for index, _, subject in (line.partition(" ") for line in lines)}
    assert len(found) == len(lines)
    return found


def check_complete(table: LatencyTable, plan: Plan) -> None:
    """Every pass over everything is there, once, and nothing else."""
    assert table.failures == {}
    assert {
        (subject, window.pass_index)
        for subject, windows in table.windows.items()
        for window in windows
    } == {(target.subject, index) for target in plan.targets for index in range(plan.passes)}
    assert sum(map(len, table.windows.values())) == plan.windows
