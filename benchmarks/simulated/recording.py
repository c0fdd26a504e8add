"""Recordings: what a real device said about models, for simulated ones to say again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from sartor.profiler import Plan, find_runtime
from sartor.profiler.reference import reference_graph
from sartor.tables import LatencyTable

_REFERENCE_SAMPLES = 20


def record(table: LatencyTable, plan: Plan, folder: Path) -> None:
    """Write the windows of a table under the hashes of the models that they were taken of.

    The reference model stands in no table but as the level of the machine; its samples are drawn
    around that.

    Args:
        table: with windows of all that is planned.
        plan: by which it was collected.
        folder: to write to; made where there is none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    provenance = table.provenance
    runtime = find_runtime(provenance.condition.runtime)
    for target in plan.targets:
        windows = table.windows[target.subject]
        said = [[[round(us, 3) for us in each.samples_us], each.preempted] for each in windows]
        _write(folder, runtime.write(target.graph), said)
    level_us = next(iter(table.measurements.values())).reference_us
    noise = np.random.default_rng(0).normal(1, 0.005, _REFERENCE_SAMPLES)
    _write(folder, runtime.write(reference_graph()), [[list(level_us * noise), 0]])
    hello = {
        "agent_version": provenance.agent_version,
        "runtime": runtime.name,
        "runtime_version": f"simulated {provenance.runtime_version}",
        "runtime_sha256": provenance.runtime_sha256,
        "python_version": "3.11.0",
        "numpy_version": "2.0.0",
        "affinity": [0, 1, 2, 3],
    }
    (folder / "about.json").write_text(json.dumps({"hello": hello}))


def _write(folder: Path, model: bytes, said: list[list[object]]) -> None:
    (folder / f"{hashlib.sha256(model).hexdigest()}.json").write_text(json.dumps(said))
