"""Measuring on devices that were prepared, and what has to be known of where that came from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sartor.devices import Device
from sartor.profiler import collect, make_plan
from sartor.profiler.provision import Prepared, with_prepared
from sartor.profiler.provision.interpreters import choose_interpreter
from sartor.profiler.provision.wheels import fetch_wheels
from sartor.tables import Condition, LatencyTable, Operator, Store
from sartor.tables.errors import RuntimeMissingError

OPERATORS = (
    Operator.parse("conv2d/3x8x8/kernel=3,out=4,stride=1/relu/float32"),
    Operator.parse("add/4x8x8,4x8x8/-/none/float32"),
)


def need_wheels(device: Device, runtime: str, kept: Path) -> None:
    """Skip the test where neither the cache nor the package index has the wheels."""
    try:
        interpreter = choose_interpreter(device, runtime)
        if recipe := interpreter.recipe(runtime):
            fetch_wheels(recipe, interpreter, cache=kept)
    except RuntimeMissingError as error:
        pytest.skip(str(error))


def measured(device: Device, runtime: str, where: Path) -> LatencyTable:
    plan = make_plan(OPERATORS, passes=1)
    with Store.open(where / f"{runtime}.db") as store:
        used = with_prepared(device, runtime)
        report = collect(used, store, "t", plan, Condition(runtime), np.random.default_rng(0))
        assert report.failures == {}
        return store.load("t")


def check_measured(table: LatencyTable, prepared: Prepared) -> None:
    assert set(table.rows) == set(OPERATORS)
    facts = dict(table.provenance.facts)
    assert facts.items() >= dict(prepared.pairs).items()
    for part in prepared.parts:
        assert facts[part.name] == part.version
    assert len(facts["agent_sha256"]) == 64
    main = {part.name: part.version for part in prepared.parts if part.name != "numpy"}
    (told,) = (f"{name} {version}" for name, version in main.items())
    assert table.provenance.runtime_version == told
