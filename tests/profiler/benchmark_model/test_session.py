"""Sessions with a stand-in for the tool, which is not to be had (``benchmark_stand_in``)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from sartor.devices.local import LocalDevice
from sartor.profiler import MeasureJob, Refusal, Timing, collect, find_runtime, make_plan
from sartor.profiler.benchmark_model import Schedule
from sartor.profiler.benchmark_model.binary import find_binary, put_binary
from sartor.profiler.benchmark_model.session import BenchmarkSession
from sartor.profiler.provision.prepared import find_prepared
from sartor.profiler.reservation import reserved
from sartor.profiler.runner import make_runner
from sartor.tables.errors import AgentError, CoresError, DeviceBusyError, RuntimeMissingError
from sartor.tables.graph import Graph, GraphBuilder
from sartor.tables.provenance import Condition
from sartor.tables.store import Store
from sartor.tables.subject import Network

from ...real.benchmark_stand_in import stand_in

RUNTIME = find_runtime("benchmark_model")


@pytest.fixture(scope="module")
def shared_device(tmp_path_factory: pytest.TempPathFactory) -> LocalDevice:
    pytest.importorskip("ai_edge_litert")
    path = tmp_path_factory.mktemp("host") / "benchmark_model"
    path.write_bytes(stand_in(sys.executable))
    # Without a Python: agents cannot run there.
    device = LocalDevice(tmp_path_factory.mktemp("device"), python="/nothing/python")
    put_binary(device, find_binary(str(path)))
    return device


@pytest.fixture
def device(shared_device: LocalDevice) -> LocalDevice:
    return shared_device


def graph(kernel: int, size: int = 14, name: str = "") -> Graph:
    builder = GraphBuilder(name or f"k{kernel}", (16, size, size))
    builder.add("c", "conv2d", builder.input, kernel=kernel, out=16, stride=1)
    return builder.graph()


def test_models_are_timed(device: LocalDevice) -> None:
    with make_runner(device, RUNTIME) as session:
        assert isinstance(session, BenchmarkSession)
        assert session.hello.agent_version == "benchmark_model 1, mean of each run"
        assert session.hello.runtime_version == "benchmark_model of LiteRT named"
        names = session.place([RUNTIME.write(graph(kernel, 56)) for kernel in (1, 5)])
        before = session.vitals
        ((small, large),) = session.measure([MeasureJob(names, 5, 1)])
        assert isinstance(small, Timing)
        assert isinstance(large, Timing)
        assert len(small.samples_us) == len(large.samples_us) == 3
        assert np.median(small.samples_us) < np.median(large.samples_us)
        assert session.vitals.at_s > before.at_s
        assert session.vitals.own_s > before.own_s
        assert session.busy_ms > 0
        folder = device.root / "sessions"
        assert [path.name for path in Path(folder).iterdir()]
    assert list(Path(folder).iterdir()) == []


def test_what_the_tool_refuses_or_dies_of_is_refused_and_the_rest_is_timed(
    device: LocalDevice,
) -> None:
    with make_runner(device, RUNTIME) as session:
        models = (RUNTIME.write(graph(1)), b"no model", b"crash")
        names = session.place(models)
        ((good, broken, deadly),) = session.measure([MeasureJob(names, 1, 1, keep=True)])
        assert isinstance(good, Timing)
        assert isinstance(broken, Refusal)
        assert "benchmark_model ended with status 1: Failed to load model" in broken.reason
        assert isinstance(deadly, Refusal)
        assert deadly.reason.startswith("benchmark_model ended with signal 11")
        # A model that was to be kept can be timed again.
        ((again,),) = session.measure([MeasureJob(names[:1], 1, 1)])
        assert isinstance(again, Timing)


def test_a_table_says_how_it_came_about(device: LocalDevice, tmp_path: Path) -> None:
    condition = Condition("benchmark_model")
    plan = make_plan(graph(3).operators, [graph(3, 28, "whole")], passes=1)
    with Store.open(f"sqlite:///{tmp_path}/store.db") as store:
        report = collect(device, store, "t", plan, condition, np.random.default_rng(0))
        table = store.load("t")
    assert not report.failures
    assert table.provenance.agent_version == "benchmark_model 1, mean of each run"
    prepared = find_prepared(device, "benchmark_model")
    assert prepared is not None
    assert table.provenance.runtime_sha256 == prepared.parts[0].sha256
    for subject, windows in table.windows.items():
        # An operator has a sample for each run of the tool, a network so many at each visit.
        runs = {12} if isinstance(subject, Network) else {3}
        assert {len(window.samples_us) for window in windows} == runs
        assert len(windows) == 1


def test_a_device_without_the_tool_says_what_to_do(tmp_path: Path) -> None:
    device = LocalDevice(tmp_path)
    with (
        pytest.raises(RuntimeMissingError, match="sartor devices prepare local --runtime"),
        make_runner(device, RUNTIME),
    ):
        pass


def test_a_tool_that_was_changed_on_the_device_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "tool"
    path.write_bytes(stand_in(sys.executable))
    device = LocalDevice(tmp_path / "device")
    prepared = put_binary(device, find_binary(str(path)))
    with Path(prepared.python).open("ab") as file:
        file.write(b"\n# changed\n")
    with pytest.raises(RuntimeMissingError, match="is not what was put there"):
        make_runner(device, RUNTIME).__enter__()
    put_binary(device, find_binary(str(path)))
    with make_runner(device, RUNTIME):
        pass


def test_operators_are_profiled_in_their_places(device: LocalDevice) -> None:
    with make_runner(device, RUNTIME) as session:
        assert isinstance(session, BenchmarkSession)
        names = session.place([RUNTIME.write(graph(3)), b"no model"])
        outcome = session.profile(names[0], Schedule(5, 0, 1, 0))
        assert outcome.inference.count >= 5
        (operator,) = outcome.operators
        assert operator.kind == "a whole model"
        assert operator.mean_us > 0
        with pytest.raises(AgentError, match="cannot profile"):
            session.profile(names[1], Schedule(5, 0, 1, 0))


def test_the_tool_is_pinned_to_cores(device: LocalDevice) -> None:
    core = min(os.sched_getaffinity(0))
    with make_runner(device, RUNTIME, cores=[core]) as session:
        assert session.hello.affinity == (core,)
        (name,) = session.place([RUNTIME.write(graph(1))])
        ((timing,),) = session.measure([MeasureJob((name,), 1, 1)])
        assert isinstance(timing, Timing)
        assert session.vitals.health.cores == 1
    with pytest.raises(CoresError, match="cannot run on cores 4000"):
        make_runner(device, RUNTIME, cores=[4000]).__enter__()


def test_delegates_are_the_tools_affair(device: LocalDevice) -> None:
    with make_runner(device, RUNTIME, options="delegate=gpu") as session:
        (name,) = session.place([RUNTIME.write(graph(1))])
        ((timing,),) = session.measure([MeasureJob((name,), 1, 1)])
        assert isinstance(timing, Timing)


def test_a_shell_and_an_agent_keep_each_other_off_a_device(device: LocalDevice) -> None:
    python = LocalDevice(Path(device.root), sys.executable)
    with (
        reserved(device, native=True),
        pytest.raises(DeviceBusyError, match="is being timed by process"),
        reserved(python),
    ):
        pass
    with (
        reserved(python),
        pytest.raises(DeviceBusyError, match="is being timed by process"),
        reserved(device, native=True),
    ):
        pass
    told: list[str] = []
    with (
        reserved(python),
        pytest.raises(DeviceBusyError),
        reserved(device, 0.5, told.append, native=True),
    ):
        pass
    assert len(told) == 1
    assert told[0].startswith("waiting for process")
    with reserved(device, native=True):
        pass
