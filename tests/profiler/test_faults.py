"""Seven faults, and what they may cost: nothing lost, nothing doubled, clear words.

Each is brought about for real: real agents run real LiteRT, real processes fill real stores.

1. An agent is killed in the middle of an operator: here; between two, ``test_collect``.
2. The host is killed in the middle of a commit: here. Without a device, on both kinds of store,
   ``tables/test_store_together``, ``test_store_in_trouble`` and ``test_postgresql``.
3. The store's disk is full: here, a real file system without space. Without a device,
   ``tables/test_store_in_trouble`` and ``test_postgresql``.
4. Two collectors at once: on one device, ``test_reservation``; for one table, ``test_collect`` and
   ``tables/test_store_together``.
5. The wall clock is set back: here; what that does to leases, ``tables/test_owner``.
6. Garbage among what the agent says: ``test_events``; messages without sense, ``test_messages``.
7. The runtime crashes over one operator: here; a refusal, ``test_interleave``.
"""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime, timezone
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from sartor.devices import LocalDevice
from sartor.profiler import Progress, batches, collect, make_plan
from sartor.tables import Store
from sartor.tables.graph import Graph, GraphBuilder

from ..server import Server
from . import collect_child
from .collect_child import BATCH, CONDITION, OPERATORS, PLAN, TABLE
from .collecting import FEW, acknowledged_by, check_complete, collector, run
from .hostile import litert_that, python_that

# 1. An agent is killed.


def small_network() -> Graph:
    """A network with 31 channels, as no operator here has."""
    builder = GraphBuilder("small", (31, 12, 12))
    builder.add("one", "conv2d", builder.input, kernel=1, out=8, stride=1)
    return builder.graph()


def test_agents_killed_in_the_middle_of_timing_cost_nothing(
    device: LocalDevice, store: Store, tmp_path: Path
) -> None:
    """In rounds of operators, and at the third visit of a network; each moment comes twice."""
    device.python = litert_that(
        tmp_path,
        "moment = (channels, load, run)\n"
        "if moment in {(2, 1, 4), (9, 1, 8), (17, 1, 6), (31, 3, 6)} and once(moment):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)",
    )
    plan = make_plan(OPERATORS, [small_network()], passes=2)
    report = run(device, store, plan)
    assert report.agent_deaths == 4
    assert report.measured == plan.windows
    check_complete(store.load(TABLE), plan)


def test_agents_killed_as_they_start_cost_nothing(
    device: LocalDevice, store: Store, tmp_path: Path
) -> None:
    """The first is asked who it is, and takes a pass; the next two die before they have timed."""
    device.python = python_that(
        tmp_path, "if not once(1) and (once(2) or once(3)):\n    os.kill(os.getpid(), 9)"
    )
    plan = make_plan(OPERATORS[:5], passes=2)
    report = run(device, store, plan)
    assert report.agent_deaths == 2
    check_complete(store.load(TABLE), plan)


# 2. The host is killed.


def test_a_host_killed_in_the_middle_of_writing_a_commit(
    device: LocalDevice, store: Store, tmp_path: Path
) -> None:
    """The kernel kills it within the call that would let the store grow past some size.

    So each death tears the page of a commit apart, at another byte of it.
    """
    generator, where = random.Random(1), tmp_path / "store.db"
    log, told, deaths = where.with_name("store.db-wal"), list[str](), 0
    store.close()
    for _ in range(3):
        size = log.stat().st_size if log.exists() else 150_000  # models are smaller
        with collector(device, str(where), size + generator.randrange(10_000, 90_000)) as child:
            said, complaint = child.communicate(timeout=300)
        told += said.splitlines()
        if child.returncode == 0:
            break
        assert (child.returncode, complaint) == (-signal.SIGXFSZ, "")
        deaths += 1
    assert deaths >= 2
    safe = acknowledged_by(told)
    with Store.open(where) as reopened:
        found = reopened.done(TABLE)
        assert safe <= found
        # At each death a batch may be safe, yet not told.
        assert len(found) <= len(safe) + BATCH * deaths
        report = run(device, reopened, PLAN)
        assert report.measured == PLAN.windows - len(found)
        check_complete(reopened.load(TABLE), PLAN)


def test_a_host_killed_while_it_fills_a_store_on_a_server(device: LocalDevice, lab: Server) -> None:
    told: list[str] = []
    for lines in (3, 11):
        with collector(device, lab.url()) as child:
            assert child.stdout is not None
            told += [child.stdout.readline().strip() for _ in range(lines)]
            child.kill()
            told += child.stdout.read().splitlines()
    safe = acknowledged_by(told)
    assert len(safe) >= 14
    with Store.open(lab.url()) as store:
        found = store.done(TABLE)
        assert safe <= found
        assert len(found) <= len(safe) + 2 * BATCH
        report = run(device, store, PLAN)
        assert report.measured == PLAN.windows - len(found)
        check_complete(store.load(TABLE), PLAN)


# 3. The disk is full.


def mounting() -> list[str]:
    """Return what lets a shell mount file systems that nobody else sees, and that end with it."""
    for argv in (["unshare", "-m"], ["unshare", "-rm"]):
        tried = [*argv, "mount", "-t", "tmpfs", "none", "/tmp"]
        if shutil.which("unshare") and subprocess.run(tried, check=False).returncode == 0:
            return argv
    pytest.skip("needs the right to mount a small file system, as root has")


def test_a_full_disk_ends_a_collection_that_goes_on_with_more_space(
    device: LocalDevice, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    script = (
        'mount -t tmpfs -o size=2m none "$1" && head -c 1800000 /dev/zero > "$1/other" || exit 9\n'
        '"$2" "$3" "$4" "$1/store.db"; echo "ended with $?"\n'
        'rm "$1/other"\n'
        '"$2" "$3" "$4" "$1/store.db" && cp "$1/store.db" "$1/../kept.db"'
    )
    child = [str(disk), sys.executable, str(collect_child.__file__), str(device.root)]
    command = [*mounting(), "sh", "-c", script, "sh", *child]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert done.stderr == (
        f"StoreError: {disk}/store.db does not fit on its disk; "
        "free some space and go on: nothing was lost\n"
    )
    before, end, after = done.stdout.partition("ended with 1\n")
    assert (done.returncode, bool(end)) == (0, True)
    told = acknowledged_by((before + after).splitlines())
    assert 0 < len(before.splitlines()) < PLAN.windows == len(told)
    with Store.open(tmp_path / "kept.db") as store:
        check_complete(store.load(TABLE), PLAN)


# 5. The clock is set back.


def test_a_wall_clock_that_runs_backwards_spoils_nothing(
    device: LocalDevice, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On both sides each look at it shows ten seconds less; on the device, it is years ago."""
    device.python = python_that(
        tmp_path,
        "import datetime, itertools, time\n"
        "looks, truth = itertools.count(), time.time\n"
        "time.time = lambda: truth() - 1e9 - 10 * next(looks)\n"
        "time.time_ns = lambda: int(1e9 * time.time())\n"
        "class Datetime(datetime.datetime):\n"
        "    @classmethod\n"
        "    def now(cls, tz=None):\n"
        "        return cls.fromtimestamp(time.time(), tz)\n"
        "datetime.datetime = Datetime",
    )
    before = datetime.now(timezone.utc)
    looks, truth, seen = count(), time.time, list[Progress]()
    monkeypatch.setattr(time, "time", lambda: truth() - 10 * next(looks))
    monkeypatch.setattr(time, "time_ns", lambda: int(1e9 * time.time()))
    monkeypatch.setattr(batches, "_MOST_MODELS", 1)
    plan, rng = make_plan(OPERATORS[:3], passes=2), np.random.default_rng(1)
    report = collect(device, store, TABLE, plan, CONDITION, rng, seen.append)
    assert report.agent_deaths == 0
    assert 0 < report.busy_share < 1
    assert seen[0].eta_s > 0
    table = store.load(TABLE)
    check_complete(table, plan)
    assert all(found.median_ms < 1000 for found in table.measurements.values())
    starts = [table.windows[one.subject][0].started_at for one in seen if one.pass_index == 0]
    assert starts == sorted(set(starts))
    dates = [before, *map(datetime.fromisoformat, starts), datetime.now(timezone.utc)]
    assert dates == sorted(dates)


# 7. The runtime crashes.


@pytest.mark.parametrize(
    ("crash", "name"),
    [("import ctypes; ctypes.string_at(0)", "SIGSEGV"), ("os.abort()", "SIGABRT")],
)
def test_a_runtime_that_crashes_over_one_operator_costs_that_one_only(
    device: LocalDevice, store: Store, tmp_path: Path, crash: str, name: str
) -> None:
    device.python = litert_that(tmp_path, f"if channels == 2:\n    {crash}")
    plan = replace(FEW, passes=2)
    report = run(device, store, plan)
    table = store.load(TABLE)
    assert list(table.failures) == [OPERATORS[1]]
    assert f"({name})" in table.failures[OPERATORS[1]]
    assert report.measured == plan.windows - 2
    assert {subject for subject, windows in table.windows.items() if len(windows) == 2} == {
        target.subject for target in plan.targets if target.subject != OPERATORS[1]
    }
    device.python = sys.executable
    assert run(device, store, plan).measured == 2
    check_complete(store.load(TABLE), plan)


def test_a_runtime_that_crashes_over_most_operators_costs_those_only(
    device: LocalDevice, store: Store, tmp_path: Path
) -> None:
    """More in a row than agents may die without having timed anything."""
    device.python = litert_that(tmp_path, "if channels < 5:\n    os.abort()")
    report = run(device, store, FEW)
    assert list(store.load(TABLE).rows) == [OPERATORS[4]]
    assert set(report.failures) == set(OPERATORS[:4])
