from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from sartor.devices import LocalDevice
from sartor.profiler import AgentSession, find_runtime
from sartor.profiler.batches import VISITS, Batch, Item, make_batches
from sartor.profiler.interleave import Interleaving
from sartor.profiler.reference import reference_graph
from sartor.tables.errors import DeviceError
from sartor.tables.graph import single_operator_graph
from sartor.tables.measurement import Window
from sartor.tables.operator import Operator

from .hostile import litert_that
from .processes import agents_of

LITERT = find_runtime("litert")
REFERENCE = LITERT.write(reference_graph())


def model(out: int, channels: int = 8) -> bytes:
    operator = Operator.parse(f"dense/{channels}x1x1/out={out}/none/float32")
    return LITERT.write(single_operator_graph(operator))


ITEMS = [Item(str(out), partial(model, out), 0.001) for out in range(1, 15)]


class Kept:
    """What an interleaving keeps, and what it gives up."""

    def __init__(self) -> None:
        self.windows: dict[str, list[Window]] = {}
        self.order: list[str] = []
        self.given_up: dict[str, str] = {}

    def keep(self, key: str, window: Window) -> None:
        self.windows.setdefault(key, []).append(window)
        self.order.append(key)

    def give_up(self, key: str, reason: str, _: int) -> None:
        self.given_up[key] = reason


def interleaving(
    device: LocalDevice, kept: Kept, reference: bytes = REFERENCE
) -> Interleaving[str]:
    return Interleaving(device, LITERT, 1, "", reference, kept.keep, kept.give_up)


def take(run: Interleaving[str], *passes: list[Batch[str]]) -> None:
    with run:
        for pass_index, batches in enumerate(passes):
            run.take_pass(pass_index, batches)


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def test_every_item_gets_one_window_in_every_pass(device: LocalDevice) -> None:
    kept = Kept()
    run = interleaving(device, kept)
    generator = rng()
    take(run, make_batches(ITEMS, generator), make_batches(ITEMS, generator))
    assert (run.failures, run.deaths) == ({}, 0)
    assert kept.windows.keys() == {item.key for item in ITEMS}
    for windows in kept.windows.values():
        assert [window.pass_index for window in windows] == [0, 1]
    first, second = kept.order[: len(ITEMS)], kept.order[len(ITEMS) :]
    assert sorted(first) == sorted(second)
    assert first != second
    # All of a batch have one reference.
    assert len({windows[0].reference_us for windows in kept.windows.values()}) == 1
    assert run.busy_ms > 0


def test_every_batch_has_a_reference_of_its_own(device: LocalDevice) -> None:
    kept = Kept()
    batches = [Batch((item,)) for item in ITEMS[:4]]
    take(interleaving(device, kept), batches)
    assert len({windows[0].reference_us for windows in kept.windows.values()}) > 1


def test_an_item_that_is_refused_costs_itself_only(device: LocalDevice) -> None:
    kept = Kept()
    run = interleaving(device, kept)
    broken = Item("broken", lambda: b"nonsense", 0.001)
    take(run, *(make_batches([*ITEMS[:3], broken], rng()) for _ in range(2)))
    assert run.failures.keys() == kept.given_up.keys() == {"broken"}
    assert "broken" not in kept.windows
    assert {len(windows) for windows in kept.windows.values()} == {2}


def test_a_killed_agent_costs_nothing(device: LocalDevice) -> None:
    kept = Kept()
    killed: list[int] = []

    def keep(key: str, window: Window) -> None:
        kept.keep(key, window)
        if not killed:
            (pid,) = agents_of(os.getpid())
            killed.append(pid)
            os.kill(pid, signal.SIGKILL)

    run = Interleaving(device, LITERT, 1, "", REFERENCE, keep, kept.give_up)
    take(run, [Batch(tuple(ITEMS[:5])), Batch(tuple(ITEMS[5:]))])
    assert run.deaths == 1
    assert run.failures == {}
    assert {len(windows) for windows in kept.windows.values()} == {1}
    assert kept.windows.keys() == {item.key for item in ITEMS}


def test_every_pass_has_a_fresh_agent(device: LocalDevice, tmp_path: Path) -> None:
    note = tmp_path / "note"
    device.python = litert_that(
        tmp_path, f"open({str(note)!r}, 'a').write(f'{{os.getpid()}} {{load}}\\n')"
    )
    run = interleaving(device, Kept())
    with AgentSession(device, LITERT) as first:
        (pid,) = agents_of(os.getpid())
        run.session = first
        take(run, *([Batch(tuple(ITEMS[:1]))] for _ in range(3)))
        assert agents_of(os.getpid()) == []
    lines = [line.split() for line in note.read_text().splitlines()]
    assert len({number for number, _ in lines}) == 3
    assert lines[0][0] == str(pid)
    assert {load for _, load in lines} == {"1"}


def test_an_item_that_kills_agents_is_given_up_and_no_other(
    device: LocalDevice, tmp_path: Path
) -> None:
    device.python = litert_that(tmp_path, "if channels == 9:\n    os.kill(os.getpid(), 9)")
    kept = Kept()
    run = interleaving(device, kept)
    take(run, [Batch((Item("deadly", partial(model, 1, 9), 0.001), *ITEMS[:3]))])
    assert kept.given_up.keys() == {"deadly"}
    assert "died with status -9 (SIGKILL)" in run.failures["deadly"]
    assert kept.windows.keys() == {item.key for item in ITEMS[:3]}


@pytest.mark.parametrize("fault", ["raise ValueError('no')", "os.kill(os.getpid(), 9)"])
def test_an_item_alone_that_does_not_run_is_given_up_once(
    device: LocalDevice, tmp_path: Path, fault: str
) -> None:
    """Though it is to be visited four times."""
    device.python = litert_that(tmp_path, f"if channels == 9:\n    {fault}")
    given_up: list[str] = []
    run = Interleaving(
        device, LITERT, 1, "", REFERENCE, Kept().keep, lambda key, *_: given_up.append(key)
    )
    take(run, make_batches([Item("broken", partial(model, 1, 9), 1.0, alone=True)], rng()))
    assert given_up == ["broken"]
    assert run.deaths in {0, 2}


def test_a_reference_that_does_not_run_is_an_error(device: LocalDevice) -> None:
    run = interleaving(device, Kept(), b"nonsense")
    with pytest.raises(DeviceError, match="the device cannot even run the reference model"):
        take(run, make_batches(ITEMS[:1], rng()))


def test_an_item_alone_is_visited_several_times_and_kept_once(device: LocalDevice) -> None:
    kept = Kept()
    network = Item("network", lambda: REFERENCE, 1.0, alone=True)
    batches = make_batches([*ITEMS[:3], network], rng())
    take(interleaving(device, kept), batches)
    (window,) = kept.windows["network"]
    assert kept.order.count("network") == 1
    assert len(window.samples_us) >= 5 * VISITS
    assert len({windows[0].reference_us for windows in kept.windows.values()}) == 2
