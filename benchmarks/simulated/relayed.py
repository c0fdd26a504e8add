"""A host for simulated devices that lie behind connections, as those over SSH and ADB do.

``python -m sartor.benchmarks.simulated.relayed INVENTORY STORE SUPERNET PASSES NETWORKS`` does what
``sartor profile`` does, but takes every device for a remote one: its programs run under relays, its
models travel in packs, and whatever asks it something is patient.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import numpy as np

from sartor.devices import LocalDevice, read_inventory
from sartor.devices.patient import patient
from sartor.devices.stoppable import Stop, StoppableDevice
from sartor.profiler import CollectionReport, Plan, WrittenModels, at_once, collect, make_plan
from sartor.specializer.cost import calibration_networks, reachable_operators
from sartor.specializer.shipped import find_spec
from sartor.tables import Condition, Store


class Relayed(LocalDevice):
    """This machine, as if a connection lay between."""

    remote = True


def main(inventory: str, where: str, supernet: str, passes: str, networks: str) -> int:
    """Profile all of an inventory at once; return the exit status."""
    spec = find_spec(supernet)
    plan = make_plan(
        reachable_operators(spec), calibration_networks(spec, int(networks)), int(passes)
    )
    devices = [
        Relayed(Path(entry.root or "."), entry.python, entry.name)
        for entry in read_inventory(Path(inventory)).entries
    ]
    with Store.open(where) as store, WrittenModels() as models:
        work = {one.name: partial(_collect, one, store, plan, models) for one in devices}
        outcomes = at_once(work)
    for outcome in outcomes.values():
        if outcome.failed:
            sys.stderr.write(f"{outcome.device}: {outcome.why}\n")
    return any(outcome.failed for outcome in outcomes.values())


def _collect(
    device: Relayed, store: Store, plan: Plan, models: WrittenModels, stop: Stop
) -> CollectionReport:
    return collect(
        StoppableDevice(patient(device), stop),
        store,
        f"{device.name}-litert",
        plan,
        Condition("litert"),
        np.random.default_rng(0),
        models=models,
    )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
