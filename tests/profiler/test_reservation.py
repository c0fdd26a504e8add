"""Two that time on one device."""

from __future__ import annotations

import importlib
import os
import re
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from sartor.devices import LocalDevice
from sartor.profiler import ModelFile, collect, find_runtime, measure_model, session
from sartor.profiler.reference import reference_graph
from sartor.profiler.reservation import reserved
from sartor.tables import Store
from sartor.tables.errors import AgentError, DeviceBusyError, DeviceError

from .collect_child import CONDITION, PLAN, TABLE
from .collecting import FEW, check_complete, collector, run
from .processes import agents_of, alive

collect_module = importlib.import_module("sartor.profiler.collect")


def test_two_collectors_on_one_device_for_two_stores(
    device: LocalDevice, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second is told who is there; or it waits, and goes on when the first has been killed."""
    # Patience is for a machine that is busy, too, as those are that run tests.
    monkeypatch.setattr(collect_module, "wait_until_quiet", lambda device, *_: device.health())
    with collector(device, str(tmp_path / "other.db")) as first:
        assert first.stdout is not None
        first.stdout.readline()
        os.kill(first.pid, signal.SIGSTOP)  # for as long as this takes
        with pytest.raises(DeviceBusyError, match=rf"local is .* by process {first.pid} on .*wait"):
            run(device, store, PLAN)
        assert store.tables() == []
        told: list[str] = []

        def tell(what: str) -> None:
            told.append(what)
            first.kill()

        generator = np.random.default_rng(1)
        collect(device, store, TABLE, FEW, CONDITION, generator, patience_s=300, tell=tell)
    assert re.match(f"waiting for process {first.pid} on .*, which is timing local", told[0])
    check_complete(store.load(TABLE), FEW)


def test_an_agent_that_outlives_its_host_disturbs_nobody(
    device: LocalDevice, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collector(device, str(tmp_path / "other.db")) as first:
        assert first.stdout is not None
        first.stdout.readline()
        (orphan,) = agents_of(first.pid)
        os.kill(orphan, signal.SIGSTOP)
        first.kill()
    try:
        monkeypatch.setattr(session, "_PATIENCE_S", 0.1)
        complaint = f"local is .* by process {orphan}, an agent of process {first.pid} on"
        with pytest.raises(DeviceBusyError, match=complaint):
            run(device, store, FEW)
    finally:
        os.kill(orphan, signal.SIGCONT)
    monkeypatch.undo()
    run(device, store, FEW)
    deadline = time.monotonic() + 10  # it gives its lock back a little before it ends
    while alive(orphan) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(orphan)
    check_complete(store.load(TABLE), FEW)


def test_a_device_that_cannot_be_locked_says_so(device: LocalDevice) -> None:
    with reserved(device):
        (lock,) = Path(device.root).glob("device-*.lock")
    lock.unlink()
    lock.mkdir()
    complaint = f"cannot keep others off local: no lock in {device.root} .Is a directory.; check"
    with pytest.raises(DeviceError, match=complaint), reserved(device):
        pass


def test_a_program_that_is_no_lock_is_an_error(device: LocalDevice) -> None:
    device.python = "echo"
    with pytest.raises(AgentError, match="the lock of local answered '-m sart"), reserved(device):
        pass


def test_a_device_that_others_time_on_takes_no_model(device: LocalDevice) -> None:
    runtime = find_runtime("litert")
    model = ModelFile("model.tflite", runtime, runtime.write(reference_graph()))
    with reserved(device), pytest.raises(DeviceBusyError, match=f"by process {os.getpid()} on"):
        measure_model(device, model, np.random.default_rng(0))
