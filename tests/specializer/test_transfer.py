from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.specializer.transfer import Newcomer
from sartor.tables import Condition, LatencyTable, Network, Operator, Subject, Window
from sartor.tables.errors import FormatError, MeasurementError
from sartor.tables.estimate import Transfer

from .made_up_tables import made_up_table, plain_us, slow_at_large_kernels_us

SPEC = MobileNetV3(width=0.25, classes=3, resolutions=(64, 96))
KNOWN = made_up_table(SPEC, "known", plain_us)
NEWCOMER = Newcomer.of(SPEC, [KNOWN], 8)


def measured(newcomer: Newcomer, failures: dict[Subject, str] | None = None) -> LatencyTable:
    """What a new device would show of the networks that are to be measured on it."""
    windows: dict[Subject, list[Window]] = {
        Network(graph.name, graph.operators): [
            Window(0, (2 * sum(map(slow_at_large_kernels_us, graph.operators)),), 0, 1.0, "now")
        ]
        for graph in newcomer.networks
        if Network(graph.name, graph.operators) not in (failures or {})
    }
    return LatencyTable.from_windows("new", KNOWN.provenance, windows, failures or {})


def test_the_same_tables_choose_the_same_networks_and_more_of_them_begin_alike() -> None:
    assert Newcomer.of(SPEC, [KNOWN], 8).networks == NEWCOMER.networks
    assert Newcomer.of(SPEC, [KNOWN], 3).networks == NEWCOMER.networks[:3]
    assert len({graph.name for graph in NEWCOMER.networks}) == 8


def test_every_network_of_the_space_is_predicted() -> None:
    table = measured(NEWCOMER)
    table = replace(table, transfer=NEWCOMER.estimate(table))
    rows = SPEC.space.random(40, np.random.default_rng(1)).tolist()
    errors = []
    for graph in (SPEC.graph(tuple(row)) for row in rows):
        truth_ms = sum(map(slow_at_large_kernels_us, graph.operators)) * 2 / 1000
        errors.append(table.predict(graph.operators).latency_ms / truth_ms - 1)
    known = [KNOWN.predict(SPEC.graph(tuple(row)).operators).latency_ms for row in rows]
    assert len(set(known)) > 30
    assert np.abs(errors).mean() < 0.05


def test_networks_of_other_operators_tell_nothing() -> None:
    stranger = Network("strange", (Operator("dense", ((8, 1, 1),), (("out", 1),)),))
    table = measured(NEWCOMER)
    more = LatencyTable.from_windows(
        "new", table.provenance, {**table.windows, stranger: [Window(0, (9.0,), 0, 1.0, "n")]}, {}
    )
    assert NEWCOMER.estimate(more) == NEWCOMER.estimate(table)


def test_too_few_networks_that_could_be_measured_say_why() -> None:
    failed: dict[Subject, str] = {
        Network(graph.name, graph.operators): "out of memory" for graph in NEWCOMER.networks[2:]
    }
    with pytest.raises(MeasurementError, match=r"2 of 8 networks .* take 3; .* out of memory"):
        NEWCOMER.estimate(measured(NEWCOMER, failed))


def test_another_data_type_is_another_table() -> None:
    halves = made_up_table(SPEC, "halves", plain_us, condition=Condition("litert", dtype="float16"))
    newcomer = Newcomer.of(SPEC, [halves], 3, "float16")
    for graph in newcomer.networks:
        assert {operator.dtype for operator in graph.operators} == {"float16"}
    with pytest.raises(FormatError, match="known is of float32, not float16; add --dtype float32"):
        Newcomer.of(SPEC, [halves, KNOWN], 3, "float16")


def test_a_table_has_to_cover_the_space() -> None:
    larger = MobileNetV3(width=0.25, classes=3, resolutions=(64, 96, 128))
    with pytest.raises(
        FormatError, match=r"known lacks \d+ of the \d+ operators of ofa-mbv3-w0\.25"
    ):
        Newcomer.of(larger, [KNOWN], 3)


def test_tables_of_blocks_are_told_apart() -> None:
    block = Operator.parse(
        "mbconv/8x8x8/expand=16,kernel=3,out=8,se=0,skip=1,stride=1/relu/float32"
    )
    blocks = LatencyTable.from_windows(
        "public", KNOWN.provenance, {block: [Window(0, (9.0,), 0, 1.0, "now")]}, {}
    )
    with pytest.raises(FormatError, match=r"public lacks .* its rows are whole blocks, .* mbconv/"):
        Newcomer.of(SPEC, [KNOWN, blocks], 3)


def test_estimates_are_not_transferred_further() -> None:
    estimated = replace(KNOWN, transfer=Transfer(("theirs (pi, litert)",), 0.0, 0.1))
    with pytest.raises(FormatError, match=r"known holds estimates itself; .*: theirs \(pi, litert"):
        Newcomer.of(SPEC, [estimated], 3)


def test_two_networks_are_too_few() -> None:
    with pytest.raises(FormatError, match=r"2 networks are too few .* ask for 3 or more"):
        Newcomer.of(SPEC, [KNOWN], 2)
    with pytest.raises(FormatError, match="at least one known table"):
        Newcomer.of(SPEC, [], 3)
