"""What becomes of batches during which the device was disturbed: a real agent, a real hog."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from sartor.devices import LocalDevice
from sartor.profiler import collect, find_runtime, make_plan
from sartor.profiler.batches import Batch, Item
from sartor.profiler.interleave import Interleaving
from sartor.profiler.reference import reference_graph
from sartor.tables import Condition, Operator, Store, Window, single_operator_graph
from sartor.tables.errors import DeviceDisturbedError
from sartor.tables.health import BatchHealth
from sartor.tables.verdict import Trust, judge

OPERATORS = [Operator.parse(f"dense/8x1x1/out={out}/none/float32") for out in range(1, 5)]
HOG = "import os\nif os.fork() == 0:\n    while True: pass\nos.wait()"


@contextmanager
def hogs() -> Iterator[None]:
    """Programs that keep every core busy, nobody's children."""
    programs = [
        subprocess.Popen([sys.executable, "-c", HOG], start_new_session=True)
        for _ in range(os.cpu_count() or 1)
    ]
    time.sleep(0.3)
    try:
        yield
    finally:
        for program in programs:
            os.killpg(program.pid, 9)
            program.wait()


def test_what_is_forced_is_kept_and_remembered(device: LocalDevice, tmp_path: Path) -> None:
    plan = make_plan(OPERATORS, passes=3)
    with Store.open(tmp_path / "store.db") as store:
        with hogs():
            report = collect(
                device, store, "forced", plan, Condition("litert"), np.random.default_rng(0)
            )
        table = store.load("forced")
    assert report.disturbed == 0
    assert report.measured == plan.windows
    assert len(table.health) == 3
    assert {health.pass_index for health in table.health} == {0, 1, 2}
    disturbed = [health for health in table.health if health.warnings]
    assert disturbed
    assert all((health.busy_cores or 0) > 0.3 for health in disturbed)
    verdict = judge(table)
    assert verdict.trust is Trust.NONE
    assert any("disturbed (other programs are running" in one.sentence for one in verdict.doubts)


def test_who_waits_in_vain_has_lost_nothing(device: LocalDevice, tmp_path: Path) -> None:
    plan = make_plan(OPERATORS, passes=3)
    with Store.open(tmp_path / "store.db") as store:
        with hogs(), pytest.raises(DeviceDisturbedError, match="did not become quiet within 1 s"):
            collect(
                device,
                store,
                "waiting",
                plan,
                Condition("litert"),
                np.random.default_rng(0),
                patience_s=1,
            )
        assert [summary.windows for summary in store.tables()] == []


def test_disturbed_batches_are_measured_again_once_it_is_quiet(device: LocalDevice) -> None:
    litert = find_runtime("litert")
    batches = [
        Batch(
            tuple(
                Item(f"{letter}{number}", partial(litert.write, single_operator_graph(one)), 0.001)
                for number in range(5)
                for one in OPERATORS[:1]
            )
        )
        for letter in "abcd"
    ]
    kept: Counter[str] = Counter()
    healths: list[BatchHealth] = []
    with ExitStack() as noise:
        noise.enter_context(hogs())

        def keep(key: str, _: Window) -> None:
            kept[key] += 1

        run = Interleaving(
            device,
            litert,
            threads=1,
            options="",
            reference=litert.write(reference_graph()),
            keep=keep,
            give_up=lambda key, why, _: pytest.fail(f"{key}: {why}"),
            watch=healths.append,
            pause=noise.close,
        )
        with run:
            run.take_pass(0, batches)
    assert run.disturbed >= 1
    assert len(healths) == len(batches)
    assert kept == Counter(item.key for batch in batches for item in batch.items)
