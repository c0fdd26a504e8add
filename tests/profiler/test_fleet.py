"""Many devices at once: simulated ones, each a process that answers from a recording."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from sartor.benchmarks.simulated.fleet import Simulated, make
from sartor.benchmarks.simulated.recording import record
from sartor.devices import LocalDevice
from sartor.devices.stoppable import Stop, StoppableDevice
from sartor.profiler import (
    CollectionReport,
    Outcome,
    Plan,
    WrittenModels,
    at_once,
    collect,
    fleet,
    interleave,
    make_plan,
    session,
)
from sartor.profiler.reference import reference_graph
from sartor.profiler.reservation import leased, reserved
from sartor.profiler.runtimes import Runtime, Writer
from sartor.tables import Graph, Store
from sartor.tables.errors import (
    AgentError,
    DeviceBusyError,
    DeviceTimeoutError,
    StoppedError,
)

from ..tables.place import Place, in_a_file, on
from .collect_child import CONDITION, OPERATORS
from .collecting import check_complete
from .processes import wait_until

PLAN = make_plan(OPERATORS[:6], [reference_graph()], passes=2)


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What this machine said of the plan."""
    folder = tmp_path_factory.mktemp("recording")
    single = Plan(PLAN.operators, PLAN.networks, passes=1)
    with Store.open(folder / "recorded.db") as store:
        device = LocalDevice(folder / "device")
        collect(device, store, "recorded", single, CONDITION, np.random.default_rng(0))
        record(store.load("recorded"), single, folder)
    return folder


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return _place(request, tmp_path)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def slow_place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return _place(request, tmp_path)


def _place(request: pytest.FixtureRequest, folder: Path) -> Place:
    if request.param == "sqlite":
        return in_a_file(folder / "store.db")
    return on(request.getfixturevalue("lab"))


@pytest.fixture
def simulate(recording: Path, tmp_path: Path) -> Callable[..., Simulated]:
    """Makes a simulated device of a name."""

    def simulated(name: str, pace: float = 0.02, fault: str = "") -> Simulated:
        return make(name, tmp_path / name, recording, pace, fault)

    return simulated


def device_of(simulated: Simulated) -> LocalDevice:
    root, python = simulated.folder / "root", str(simulated.python)
    return LocalDevice(root, python, simulated.name)


def collect_all(
    devices: Mapping[str, LocalDevice],
    store: Store,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Outcome[CollectionReport]]:
    def work(name: str, stop: Stop) -> CollectionReport:
        return collect(
            StoppableDevice(devices[name], stop),
            store,
            name,
            PLAN,
            CONDITION,
            np.random.default_rng(0),
            lambda _: progress(name),
            models=models,
        )

    with WrittenModels() as models:
        return at_once({name: partial(work, name) for name in devices})


def test_healthy_devices_are_not_held_up_by_others(
    simulate: Callable[..., Simulated], slow_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of twelve, two are dead, one hangs and one dies midway; the same again measures the rest."""
    monkeypatch.setattr(session, "_JOB_TIMEOUT_S", 6)
    monkeypatch.setattr(session, "_MODEL_TIMEOUT_S", 0)
    monkeypatch.setattr(interleave, "_MAX_STILLBORN", 1)
    faults = {"dead1": "absent", "dead2": "dies:0", "hangs": "hangs", "midway": "dies:15"}
    healthy = [f"sound{number}" for number in range(8)]
    fleet = {name: simulate(name, fault=faults.get(name, "")) for name in (*healthy, *faults)}
    devices = {name: device_of(simulated) for name, simulated in fleet.items()}
    with Store.open(slow_place.address) as store:
        outcomes = collect_all(devices, store)
        assert [name for name, outcome in outcomes.items() if outcome.failed] == list(faults)
        for name in healthy:
            check_complete(store.load(name), PLAN)
        assert {type(outcomes[name].error) for name in ("dead2", "midway")} == {AgentError}
        assert "No such file" in outcomes["dead1"].why
        assert isinstance(outcomes["hangs"].error, DeviceTimeoutError)
        hung_s = outcomes["hangs"].seconds
        assert max(outcomes[name].seconds for name in healthy) < hung_s
        assert 0 < len(store.done("midway")) < PLAN.windows

        # They were mended.
        for name in faults:
            (fleet[name].folder / "journal").unlink(missing_ok=True)
            mended = simulate(f"{name}-mended")
            devices[name] = LocalDevice(fleet[name].folder / "root", str(mended.python), name)
        again = collect_all({name: devices[name] for name in devices}, store)
        assert not any(outcome.failed for outcome in again.values())
        for name in devices:
            check_complete(store.load(name), PLAN)
        assert all(again[name].result.measured == 0 for name in healthy)  # type: ignore[union-attr]
    assert slow_place.execute("SELECT * FROM device_leases") == []


def test_an_interrupt_ends_all_in_order(
    simulate: Callable[..., Simulated], slow_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Ctrl-C does: every device gives back what it holds, and the same goes on later."""
    monkeypatch.setattr(fleet, "FAREWELL_S", 60.0)
    devices = {
        name: device_of(simulate(name, pace=0.2, fault=fault))
        for name, fault in (("one", ""), ("two", ""), ("hangs", "hangs"))
    }
    measured = threading.Event()
    raised = threading.Event()

    def interrupt() -> None:
        measured.wait(60)
        raised.set()
        os.kill(os.getpid(), 2)

    told: list[Outcome[CollectionReport]] = []
    original = fleet.at_once
    monkeypatch.setitem(globals(), "at_once", partial(original, told=told.append))
    threading.Thread(target=interrupt).start()
    with Store.open(slow_place.address) as store:
        with pytest.raises(KeyboardInterrupt):
            collect_all(devices, store, lambda _: measured.set())
        assert raised.is_set()
        assert {outcome.device for outcome in told} == devices.keys()
        assert {type(outcome.error) for outcome in told} == {StoppedError}
        assert slow_place.execute("SELECT * FROM device_leases") == []
        assert slow_place.execute("SELECT * FROM leases") == []
        for device in devices.values():
            with reserved(device):  # nobody holds it any more
                pass
        done = {name: len(store.done(name)) for name in ("one", "two")}
        assert 0 < sum(done.values()) < 2 * PLAN.windows
        monkeypatch.undo()
        del devices["hangs"]
        outcomes = collect_all(devices, store)
        for name, outcome in outcomes.items():
            assert outcome.result is not None
            assert outcome.result.resumed == done[name]
            check_complete(store.load(name), PLAN)


def test_two_hosts_with_one_store_see_each_other_on_a_device(
    simulate: Callable[..., Simulated], place: Place, tmp_path: Path
) -> None:
    """Though they use other folders there, where the locks of the device itself lie."""
    simulated = simulate("phone")
    mine = device_of(simulated)
    theirs = LocalDevice(tmp_path / "their root", str(simulated.python), "their phone")
    with Store.open(place.address) as store, Store.open(place.address) as other:
        with (
            reserved(mine) as machine,
            leased(mine, store, machine),
            reserved(theirs) as same,
        ):
            assert machine == same == "simulated phone"
            with (
                pytest.raises(DeviceBusyError, match=rf"their phone is .*process {os.getpid()} on"),
                leased(theirs, other, same),
            ):
                pass
            told: list[str] = []
            gone = threading.Event()

            def wait_for_it() -> None:
                with leased(theirs, other, same, patience_s=60, tell=told.append):
                    gone.set()

            waiting = threading.Thread(target=wait_for_it)
            waiting.start()
            wait_until(lambda: bool(told))
            assert not gone.is_set()
        waiting.join(60)
        assert gone.is_set()
        assert "waiting: their phone is being timed by process" in told[0]


def test_errors_are_outcomes_in_the_order_of_the_work() -> None:
    def fail(_: Stop) -> int:
        raise DeviceTimeoutError("it said nothing")

    def err(_: Stop) -> int:
        raise ZeroDivisionError("by nought")

    told: list[str] = []
    work = {"a": fail, "b": lambda _: 7, "c": err}
    outcomes = at_once(work, lambda outcome: told.append(outcome.device))
    assert list(outcomes) == ["a", "b", "c"]
    assert sorted(told) == ["a", "b", "c"]
    assert (outcomes["a"].failed, outcomes["a"].why) == (True, "it said nothing")
    assert (outcomes["b"].result, outcomes["b"].why) == (7, "")
    outcomes["a"].raise_if_unexpected()
    assert outcomes["c"].why == "an error in Sartor itself: ZeroDivisionError: by nought"
    with pytest.raises(ZeroDivisionError):
        outcomes["c"].raise_if_unexpected()


def test_who_does_not_answer_in_time_is_left_behind() -> None:
    over = threading.Event()
    work = {"slow": lambda _: over.wait(60), "fast": lambda _: True}
    started = time.monotonic()
    outcomes = at_once(work, timeout_s=0.2)
    assert time.monotonic() - started < 30
    assert outcomes["fast"].result is True
    assert outcomes["slow"].why == "it did not answer within 0.2 s; try again later"
    over.set()


def test_models_are_written_once_and_gone_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[object] = []
    runtime = Runtime(
        "counted",
        ".bin",
        channels_last=False,
        distribution="none",
        writer=lambda: _counting(written),
    )
    graphs = [target.graph for target in PLAN.targets]
    with WrittenModels() as models:

        def ask(_: Stop) -> list[bytes]:
            found = [models.get(runtime, graph, 1) for graph in graphs]
            assert all(isinstance(each, Path) for each in found)
            return [each.read_bytes() for each in found if isinstance(each, Path)]

        outcomes = at_once({str(number): ask for number in range(8)})
        answers = [outcome.result for outcome in outcomes.values()]
        assert answers == [[graph.name.encode() for graph in graphs]] * 8
        assert len(written) == len(graphs)
        monkeypatch.setattr(models, "_left_bytes", 0)
        other = make_plan(OPERATORS[8:9]).targets[0].graph
        assert models.get(runtime, other, 1) == other.name.encode()
        folder = models._folder
    assert not folder.exists()


def _counting(written: list[object]) -> Writer:
    def write(graph: Graph, _batch: int) -> bytes:
        written.append(graph)
        return graph.name.encode()

    return Writer(write, 1)
