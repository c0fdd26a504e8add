from __future__ import annotations

import importlib
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sartor.devices import LocalDevice
from sartor.profiler import Progress, collect, find_runtime, make_plan
from sartor.profiler.reference import reference_graph
from sartor.tables.called import CALLS
from sartor.tables.difference import Difference
from sartor.tables.errors import AgentError, FormatError, StoreBusyError, StoreError
from sartor.tables.operator import Operator
from sartor.tables.provenance import Condition
from sartor.tables.store import Store
from sartor.tables.subject import Call, Framed, Network

from . import collect_child
from .collect_child import BATCH, CONDITION, OPERATORS, PLAN, TABLE
from .processes import agents_of, alive, wait_until

collect_module = importlib.import_module("sartor.profiler.collect")

EVERYTHING = {
    (str(target.subject), index) for target in PLAN.targets for index in range(PLAN.passes)
}


class InterruptionError(Exception):
    """What a user's Ctrl-C is to a collection."""


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


@pytest.mark.parametrize(
    "condition",
    [CONDITION, Condition("onnxruntime", threads=2, batch=2), Condition("torch", batch=2)],
)
def test_a_table_holds_what_was_planned(
    device: LocalDevice, store: Store, condition: Condition
) -> None:
    seen: list[Progress] = []
    report = collect(device, store, TABLE, PLAN, condition, rng(), seen.append)
    table = store.load(TABLE)
    assert set(table.rows) == set(PLAN.operators)
    (network,) = table.networks
    assert network.network == Network("reference", PLAN.networks[0].operators)
    assert len(table.windows) == len(table.rows) + 3
    assert table.call_ms is not None
    assert 0 < table.call_ms <= table.measurements[Call()].median_ms
    for operator, row in table.rows.items():
        whole_ms = table.measurements[operator].median_ms
        assert row.median_ms == whole_ms - table.call_ms < whole_ms
    for windows in table.windows.values():
        assert [window.pass_index for window in windows] == [0, 1]
    assert table.calibration.networks == 1
    assert table.provenance.condition == condition
    assert dict(table.provenance.facts)["architecture"]
    assert (report.measured, report.resumed, report.agent_deaths) == (PLAN.windows, 0, 0)
    assert report.failures == table.failures == {}
    assert 0 < report.busy_share < 1
    assert [progress.windows for progress in seen] == list(range(1, PLAN.windows + 1))
    assert seen[-1].eta_s == 0 < seen[0].eta_s


def test_the_order_is_random_and_the_same_for_the_same_generator(
    device: LocalDevice, tmp_path: Path
) -> None:
    plan = make_plan(OPERATORS[:9], passes=2)
    orders = []
    for name in ("a", "b"):
        seen: list[Progress] = []
        with Store.open(tmp_path / name) as store:
            collect(device, store, TABLE, plan, CONDITION, rng(), seen.append)
        orders.append([str(progress.subject) for progress in seen])
    assert orders[0] == orders[1]
    half = len(orders[0]) // 2
    assert sorted(orders[0][:half]) == sorted(orders[0][half:])
    assert orders[0][:half] != orders[0][half:]


def test_an_interrupted_collection_goes_on(device: LocalDevice, store: Store) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.windows == 25:
            raise InterruptionError

    with pytest.raises(InterruptionError):
        collect(device, store, TABLE, PLAN, CONDITION, rng(), interrupt)
    assert agents_of(os.getpid()) == []
    safe = len(store.done(TABLE))  # the rest of the batch is, too
    assert 25 <= safe < PLAN.windows
    report = collect(device, store, TABLE, PLAN, CONDITION, rng())
    assert (report.resumed, report.measured) == (safe, PLAN.windows - safe)
    assert store.done(TABLE) == EVERYTHING
    assert collect(device, store, TABLE, PLAN, CONDITION, rng()).measured == 0


def test_a_killed_agent_costs_nothing(
    device: LocalDevice, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sartor.profiler.batches._MOST_MODELS", 4)

    def kill(progress: Progress) -> None:
        if progress.windows in {5, 30}:  # one in each pass
            (pid,) = agents_of(os.getpid())
            os.kill(pid, signal.SIGKILL)

    report = collect(device, store, TABLE, PLAN, CONDITION, rng(), kill)
    assert report.agent_deaths == 2
    assert report.failures == {}
    assert store.done(TABLE) == EVERYTHING
    assert report.measured == PLAN.windows


def test_a_killed_collector_loses_and_doubles_nothing(device: LocalDevice, store: Store) -> None:
    command = [sys.executable, str(collect_child.__file__), str(device.root)]
    where = Path(str(device.root)).parent / "store.db"
    with subprocess.Popen([*command, str(where)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        acknowledged = [child.stdout.readline().strip() for _ in range(25)]
        (agent,) = agents_of(child.pid)
        child.kill()
        acknowledged += child.stdout.read().splitlines()
    wait_until(lambda: not alive(agent))
    assert list((Path(device.root) / "agents").iterdir()) == []
    safe = {(subject, int(index)) for index, _, subject in (a.partition(" ") for a in acknowledged)}
    assert len(safe) == len(acknowledged) >= 25
    found = store.done(TABLE)
    assert safe <= found
    assert len(found) <= len(safe) + BATCH  # a batch may be safe, yet not told
    report = collect(device, store, TABLE, PLAN, CONDITION, rng())
    assert (report.resumed, report.measured) == (len(found), PLAN.windows - len(found))
    assert store.done(TABLE) == EVERYTHING


def mortal_python(folder: Path, condition: str) -> str:
    """A Python that is killed when it removes a file, as agents do with models, of some kind."""
    script = folder / "python"
    script.write_text(
        f"#!{sys.executable}\n"
        "import os, runpy, signal, sys\n"
        "if sys.argv[1] == '-c':\n"
        "    exec(sys.argv[2])\n"
        "    sys.exit()\n"
        "def watch(event, arguments):\n"
        f"    if event == 'os.remove' and {condition}:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "sys.addaudithook(watch)\n"
        "sys.argv = sys.argv[2:]\n"
        "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)\n"
    )
    script.chmod(0o700)
    return str(script)


def test_an_operator_that_kills_agents_costs_itself_only(
    device: LocalDevice, store: Store, tmp_path: Path
) -> None:
    deadly = Operator.parse("conv2d/64x7x7/kernel=5,out=64,stride=1/none/float32")
    device.python = mortal_python(tmp_path, "os.path.getsize(arguments[0]) > 300_000")
    plan = make_plan([deadly, *OPERATORS[:10]], passes=2)
    report = collect(device, store, TABLE, plan, CONDITION, rng())
    table = store.load(TABLE)
    assert set(table.rows) == set(OPERATORS[:10])
    assert all(len(windows) == 2 for windows in table.windows.values())
    assert list(report.failures) == list(table.failures) == [deadly]
    assert "died with status -9" in table.failures[deadly]
    # All were in one batch of 13, which was halved until the deadly one was alone, and died twice.
    assert 4 <= report.agent_deaths <= 6

    device.python = sys.executable
    report = collect(device, store, TABLE, plan, CONDITION, rng())
    assert (report.resumed, report.measured, report.failures) == (24, 2, {})
    assert store.load(TABLE).failures == {}


def test_agents_that_always_die_end_the_collection(
    device: LocalDevice, store: Store, tmp_path: Path
) -> None:
    device.python = mortal_python(tmp_path, "True")
    with pytest.raises(AgentError, match="died with status -9"):
        collect(device, store, TABLE, PLAN, CONDITION, rng())
    assert store.done(TABLE) == set()


def test_a_busy_table_is_left_alone(device: LocalDevice, store: Store) -> None:
    collect(device, store, TABLE, make_plan(OPERATORS[:1], passes=1), CONDITION, rng())
    with store.lease(TABLE), pytest.raises(StoreBusyError):
        collect(device, store, TABLE, PLAN, CONDITION, rng())


def test_other_circumstances_do_not_mix(device: LocalDevice, store: Store) -> None:
    plan = make_plan(OPERATORS[:1], passes=1)
    collect(device, store, TABLE, plan, CONDITION, rng())
    with pytest.raises(StoreError, match="do not mix"):
        collect(device, store, TABLE, plan, Condition("litert", threads=2), rng())


def test_options_that_nobody_honours_are_refused(device: LocalDevice, store: Store) -> None:
    with pytest.raises(FormatError, match="litert takes no options here, not 'fast'"):
        collect(device, store, TABLE, PLAN, Condition("litert", options="fast"), rng())
    assert store.tables() == []


def test_what_is_not_steady_gets_further_passes_and_nothing_else(
    device: LocalDevice, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collect_module, "STEADY", 0.0)
    plan = make_plan(OPERATORS[:3], passes=2, most_passes=4)
    seen: list[Progress] = []
    report = collect(device, store, TABLE, plan, CONDITION, rng(), seen.append)
    assert report.measured == 20
    assert set(report.unsteady) == {*OPERATORS[:3], *CALLS}
    assert (seen[0].of_windows, seen[-1].of_windows, seen[-1].windows) == (10, 20, 20)

    monkeypatch.setattr(collect_module, "STEADY", math.inf)
    report = collect(device, store, TABLE, plan, CONDITION, rng())
    assert (report.measured, report.unsteady) == (0, ())


def test_operators_are_framed_where_a_runtime_fuses_across_them(
    device: LocalDevice, store: Store
) -> None:
    add = Operator.parse("add/24x14x14,24x14x14/-/none/float32")
    conv = Operator.parse("conv2d/24x14x14/kernel=3,out=32,stride=1/hswish/float32")
    plan = make_plan([add, conv], passes=2, framed=find_runtime("onnxruntime").frames(""))
    collect(device, store, TABLE, plan, Condition("onnxruntime"), rng())
    table = store.load(TABLE)
    assert {add, conv} <= set(table.rows)
    row = table.rows[conv]
    assert isinstance(row, Difference)
    assert 0 < row.median_ms < row.whole.median_ms
    assert table.latency_ms(add) < table.measurements[Framed(add)].median_ms
    assert store.find(TABLE).operators == len(table.rows) == 3  # and the addition's convolution


@pytest.mark.parametrize("name", ["litert", "onnxruntime"])
@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_tables_of_other_data_types(
    device: LocalDevice, store: Store, name: str, dtype: str
) -> None:
    texts = (
        "add/24x12x12,24x12x12/-/none/float32",
        "conv2d/16x24x24/kernel=1,out=96,stride=1/hswish/float32",
        "squeeze_excite/24x12x12/middle=8/none/float32",
    )
    framed = find_runtime(name).frames("optimization=extended", dtype)
    assert framed == (name == "onnxruntime")
    plan = make_plan(
        map(Operator.parse, texts), [reference_graph()], passes=2, framed=framed, dtype=dtype
    )
    report = collect(device, store, TABLE, plan, Condition(name, dtype=dtype), rng())
    table = store.load(TABLE)
    assert report.failures == {}
    assert set(table.rows) >= set(plan.operators)
    assert {operator.dtype for operator in table.rows} == {dtype}
    assert table.provenance.condition.dtype == dtype


def test_plan_and_condition_have_one_data_type(device: LocalDevice, store: Store) -> None:
    with pytest.raises(FormatError, match="operators are float32 and the condition is int8"):
        collect(device, store, TABLE, PLAN, Condition("litert", dtype="int8"), rng())
    plan = make_plan(OPERATORS[:1], dtype="int8")
    with pytest.raises(FormatError, match="torch takes float32 here, not 'int8'"):
        collect(device, store, TABLE, plan, Condition("torch", dtype="int8"), rng())
