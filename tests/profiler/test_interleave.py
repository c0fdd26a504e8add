from __future__ import annotations

import os
import signal
from functools import partial

import numpy as np
import pytest

from sartor.devices import LocalDevice
from sartor.profiler import find_runtime
from sartor.profiler.collect import REFERENCE_EVERY
from sartor.profiler.interleave import Interleaving, Item, with_references
from sartor.profiler.reference import reference_graph
from sartor.tables.errors import DeviceError
from sartor.tables.graph import single_operator_graph
from sartor.tables.operator import Operator

from .processes import agents_of

LITERT = find_runtime("litert")
REFERENCE = LITERT.write(reference_graph())


def model(out: int) -> bytes:
    operator = Operator.parse(f"dense/8x1x1/out={out}/none/float32")
    return LITERT.write(single_operator_graph(operator))


ITEMS = [Item(str(out), partial(model, out), 1, 0) for out in range(1, REFERENCE_EVERY + 3)]


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def test_every_item_gets_one_window_in_every_pass(device: LocalDevice) -> None:
    seen: list[str] = []
    run = Interleaving(device, LITERT, 1, REFERENCE, lambda item: seen.append(item.key))
    run.take(ITEMS, 2, rng())
    assert (run.failures, run.deaths) == ({}, 0)
    assert run.windows.keys() == {item.key for item in ITEMS}
    for windows in run.windows.values():
        assert [window.pass_index for window in windows] == [0, 1]
    first, second = seen[: len(ITEMS)], seen[len(ITEMS) :]
    assert sorted(first) == sorted(second)
    assert first != second
    # The first items of a pass have one reference, and those after the next another.
    references = [run.windows[key][0].reference_us for key in first]
    assert len(set(references[:REFERENCE_EVERY])) == len(set(references[REFERENCE_EVERY:])) == 1


def test_the_order_is_the_same_for_the_same_generator(device: LocalDevice) -> None:
    orders: list[list[str]] = [[], []]
    for order in orders:

        def note(item: Item, order: list[str] = order) -> None:
            order.append(item.key)

        Interleaving(device, LITERT, 1, REFERENCE, note).take(ITEMS[:6], 1, rng())
    assert orders[0] == orders[1]


def test_references_stand_first_and_after_every_twelve() -> None:
    order = with_references(ITEMS)
    assert [index for index, item in enumerate(order) if item is None] == [0, REFERENCE_EVERY + 1]
    assert [item for item in order if item is not None] == ITEMS
    assert with_references([]) == []


def test_an_item_that_is_refused_costs_itself_only(device: LocalDevice) -> None:
    broken = Item("broken", lambda: b"nonsense", 1, 0)
    run = Interleaving(device, LITERT, 1, REFERENCE)
    run.take([*ITEMS[:3], broken], 2, rng())
    assert run.failures.keys() == {"broken"}
    assert "broken" not in run.windows
    assert {len(windows) for windows in run.windows.values()} == {2}


def test_a_killed_agent_costs_nothing(device: LocalDevice) -> None:
    killed: list[int] = []

    def kill(_: Item) -> None:
        if not killed:
            (pid,) = agents_of(os.getpid())
            killed.append(pid)
            os.kill(pid, signal.SIGKILL)

    run = Interleaving(device, LITERT, 1, REFERENCE, kill)
    run.take(ITEMS, 1, rng())
    assert run.deaths == 1
    assert run.failures == {}
    assert {len(windows) for windows in run.windows.values()} == {1}
    assert run.windows.keys() == {item.key for item in ITEMS}


def test_an_item_that_kills_agents_is_given_up(device: LocalDevice) -> None:
    def deadly() -> bytes:
        for pid in agents_of(os.getpid()):
            os.kill(pid, signal.SIGKILL)
        return model(1)

    run = Interleaving(device, LITERT, 1, REFERENCE)
    run.take([Item("deadly", deadly, 1, 0)], 2, rng())
    assert run.deaths == 2
    assert "died with status -9" in run.failures["deadly"]
    assert run.windows == {}


def test_a_reference_that_does_not_run_is_an_error(device: LocalDevice) -> None:
    run = Interleaving(device, LITERT, 1, b"nonsense")
    with pytest.raises(DeviceError, match="the device cannot even run the reference model"):
        run.take(ITEMS[:1], 1, rng())
