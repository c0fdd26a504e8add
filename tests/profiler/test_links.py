"""Collections over a connection that breaks: nothing lost, nothing doubled, one clear sentence.

The cable is that of ``devices/shaky``: processes and pipes are real, and so are agents and LiteRT.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sartor.devices import Device
from sartor.devices.patient import Patient
from sartor.profiler import (
    AgentSession,
    CollectionReport,
    MeasureJob,
    Plan,
    Progress,
    batches,
    collect,
    find_runtime,
    make_plan,
)
from sartor.tables import Store
from sartor.tables.errors import ConnectionLostError, DeviceError, DeviceRestartedError

from ..devices.shaky import ShakyDevice
from .collect_child import CONDITION, OPERATORS, PLAN, TABLE
from .collecting import FEW, acknowledged_by, check_complete

CHILD = """
import sys
sys.path[:0] = sys.argv[1:3]
from collect_child import *
from shaky import ShakyDevice
with Store.open(sys.argv[4]) as store:
    device, rng = ShakyDevice(Path(sys.argv[3])), np.random.default_rng(0)
    collect(device, store, TABLE, PLAN, CONDITION, rng, acknowledge)
"""
FOLDERS = [Path(__file__).parent.parent / "devices", Path(__file__).parent]

SMALL = make_plan(OPERATORS[:8], passes=2)


@pytest.fixture
def far(tmp_path: Path) -> Iterator[ShakyDevice]:
    device = ShakyDevice(tmp_path / "device")
    yield device
    for pid in device.processes():
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several batches in a pass, so that something is left when the first result comes."""
    monkeypatch.setattr(batches, "_MOST_MODELS", 1)


@pytest.fixture
def told() -> list[str]:
    return []


def run(
    far: Device, store: Store, plan: Plan, told: list[str], progress: object = None
) -> CollectionReport:
    rng = np.random.default_rng(1)
    show = progress if callable(progress) else lambda _: None
    return collect(far, store, TABLE, plan, CONDITION, rng, show, tell=told.append)


def may_mount() -> bool:
    """Tell whether this process may change what is mounted where."""
    argv = ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/tmp"]
    return os.getuid() == 0 and subprocess.run(argv, check=False).returncode == 0


def test_a_collection_over_a_cable_that_holds(
    far: ShakyDevice, store: Store, told: list[str]
) -> None:
    report = run(far, store, SMALL, told)
    assert report.agent_deaths == 0
    check_complete(store.load(TABLE), SMALL)
    assert told == []
    assert list((Path(far.root) / "agents").iterdir()) == []
    assert list((Path(far.root) / "relays").iterdir()) == []


def test_cuts_at_any_moment_cost_nothing(far: ShakyDevice, store: Store, told: list[str]) -> None:
    """While agents start, while models are pushed, while they are timed, while results come."""
    generator = random.Random(2)
    for _ in range(10):
        far.cable.cut_after(generator.randrange(600_000), down_s=generator.choice([0, 0.3]))
    report = run(far, store, SMALL, told)
    assert far.cable.cuts >= 5
    assert report.agent_deaths == 0
    assert report.measured == SMALL.windows
    check_complete(store.load(TABLE), SMALL)
    assert any(line.startswith("far is there again after ") for line in told)


@pytest.mark.usefixtures("small_batches")
def test_a_cable_cut_whenever_a_result_comes(
    far: ShakyDevice, store: Store, told: list[str]
) -> None:
    report = run(far, store, SMALL, told, lambda _: far.cable.cut(down_s=0.1))
    assert report.agent_deaths == 0
    assert report.measured == SMALL.windows
    check_complete(store.load(TABLE), SMALL)


def test_a_device_that_stays_away_ends_a_collection_that_goes_on_later(
    far: ShakyDevice, store: Store, told: list[str]
) -> None:
    seen: list[Progress] = []

    def unplug(progress: Progress) -> None:
        seen.append(progress)
        if progress.pass_index == 1:
            far.cable.cut(down_s=1e6)

    with pytest.raises(ConnectionLostError, match=r"far did not come back within .* same command"):
        run(Patient(far, 0.5, told.append), store, SMALL, told, unplug)
    far.cable.heal()
    report = run(far, store, SMALL, told)
    assert report.resumed >= len({(one.subject, one.pass_index) for one in seen}) > 8
    assert report.measured == SMALL.windows - report.resumed
    check_complete(store.load(TABLE), SMALL)


@pytest.mark.usefixtures("small_batches")
def test_an_agent_killed_over_there_costs_nothing(
    far: ShakyDevice, store: Store, told: list[str]
) -> None:
    killed: list[int] = []

    def kill(_: Progress) -> None:
        if not killed:
            killed.extend(far.processes("sartor_agent\0litert"))
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    report = run(far, store, SMALL, told, kill)
    assert killed
    assert report.agent_deaths == 1
    check_complete(store.load(TABLE), SMALL)


@pytest.mark.usefixtures("small_batches")
def test_relays_killed_over_there_cost_nothing(
    far: ShakyDevice, store: Store, told: list[str]
) -> None:
    """An agent without its relay is an agent that died; the next one waits until it is gone."""
    killed: list[int] = []

    def kill(_: Progress) -> None:
        if not killed:
            killed.extend(far.processes("attach"))
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    report = run(far, store, SMALL, told, kill)
    assert killed
    assert report.agent_deaths == 1
    check_complete(store.load(TABLE), SMALL)


def test_a_device_restarted_meanwhile_is_told_apart(
    far: ShakyDevice, store: Store, told: list[str]
) -> None:
    if not may_mount():
        pytest.skip("needs the right to mount, as root has")

    def restart(_: Progress) -> None:
        far.cable.cut(down_s=0.3)
        far.restart()

    with pytest.raises(DeviceRestartedError, match="far was restarted meanwhile; what"):
        run(far, store, SMALL, told, restart)
    run(far, store, SMALL, told)
    check_complete(store.load(TABLE), SMALL)


def test_a_host_that_was_killed_and_runs_again_waits_for_nobody(
    far: ShakyDevice, store: Store, told: list[str], tmp_path: Path
) -> None:
    """Its relays keep its lock and its agent; the next process of this machine ends them."""
    store.close()
    where = tmp_path / "store.db"
    argv = [sys.executable, "-c", CHILD, *map(str, (*FOLDERS, far.root, where))]
    lines: list[str] = []
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        lines += [child.stdout.readline().strip() for _ in range(20)]
        child.kill()
        lines += child.stdout.read().splitlines()
    assert len(far.processes("sartor_agent")) == 2
    safe = acknowledged_by(lines)
    with Store.open(where) as reopened:
        assert safe <= reopened.done(TABLE)
        report = run(far, reopened, PLAN, told)
        assert report.resumed >= len(safe)
        check_complete(reopened.load(TABLE), PLAN)
    assert told == []


def test_a_device_that_is_full_says_so_and_goes_on_with_more_space(
    far: ShakyDevice, store: Store, told: list[str]
) -> None:
    if not may_mount():
        pytest.skip("needs the right to mount, as root has")
    Path(far.root).mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", far.root], check=True)
    try:
        filling = Path(far.root) / "filling"
        filling.write_bytes(bytes(1_950_000))
        with pytest.raises(DeviceError, match="No space left on device"):
            run(far, store, FEW, told)
        filling.unlink()
        run(far, store, FEW, told)
        check_complete(store.load(TABLE), FEW)
    finally:
        subprocess.run(["umount", "-l", far.root], check=True)


def test_models_that_find_no_room_when_they_are_unpacked_are_not_blamed(
    far: ShakyDevice, told: list[str]
) -> None:
    """The pack itself still fits."""
    if not may_mount():
        pytest.skip("needs the right to mount, as root has")
    Path(far.root).mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", far.root], check=True)
    try:
        with AgentSession(far, find_runtime("litert")) as agent:
            models = agent.place([os.urandom(1_000_000)] * 3)
            with pytest.raises(DeviceError, match=r"far has no room .*No space left"):
                next(agent.measure([MeasureJob(models)]))
    finally:
        subprocess.run(["umount", "-l", far.root], check=True)


def test_a_batch_is_one_push(far: ShakyDevice, store: Store, told: list[str]) -> None:
    run(far, store, FEW, told)
    far.cable.calls, far.cable.pushes = 0, 0
    run(far, store, make_plan(OPERATORS[5:10], passes=1), told)
    assert far.cable.pushes == 1
