"""Rows for blocks: a block computes what its operators compute, and is really measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from sartor.devices import LocalDevice
from sartor.profiler import collect, find_runtime, make_plan
from sartor.profiler.reference import reference_graph
from sartor.profiler.writers.onnx import onnx_bytes
from sartor.profiler.writers.tflite import tflite_bytes
from sartor.profiler.writers.torch_graph import torch_bytes
from sartor.profiler.writers.weights import random_weights
from sartor.specializer.supernets.mobilenet_v3 import CHOICES, MobileNetV3
from sartor.tables import Difference, LatencyTable, Operator, composed
from sartor.tables.expansion import expanded
from sartor.tables.framing import subject_graph
from sartor.tables.granularity import BLOCKS
from sartor.tables.graph import Graph, GraphBuilder, single_operator_graph
from sartor.tables.provenance import Condition
from sartor.tables.store import Store
from sartor.tables.subject import Framed

from ..tables.strategies import mbconvs
from .oracle import evaluate, relative_difference
from .test_writers import (
    LAYOUTS,
    TOLERANCE,
    random_inputs,
    run_litert,
    run_onnxruntime,
    run_torch,
    with_weights,
)

SPEC = MobileNetV3(classes=10, resolutions=(64,))
PLACES = [(slot, choice) for slot in (0, 1, 4, 5, 8, 13, 16, 17) for choice in (1, 5, len(CHOICES))]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store.db") as opened:
        yield opened


def one_block(graph: Graph) -> Graph:
    """The same block as one node, which then has the same weights under the same names."""
    (block,) = composed(graph.operators)
    name = graph.nodes[0].name.partition(".")[0]
    builder = GraphBuilder(graph.name, block.inputs[0])
    attributes = dict(block.attributes)
    builder.add(name, block.kind, builder.input, activation=block.activation, **attributes)
    return builder.graph(graph.weights)


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_a_block_computes_what_the_operators_of_the_supernet_compute(
    place: tuple[int, int],
) -> None:
    apart = with_weights(SPEC.block_graph(0, *place))
    joined = expanded(one_block(apart))
    inputs = random_inputs(apart, 1)
    want = evaluate(apart, apart.weights, inputs)
    assert np.array_equal(evaluate(joined, joined.weights, inputs), want)
    for graph in (apart, joined):
        assert relative_difference(run_litert(tflite_bytes(graph), inputs), want) <= TOLERANCE
        assert relative_difference(run_onnxruntime(onnx_bytes(graph), inputs), want) <= TOLERANCE
    for run, write in ((run_litert, tflite_bytes), (run_onnxruntime, onnx_bytes)):
        assert np.array_equal(run(write(joined), inputs), run(write(apart), inputs))
    got = run_torch(torch_bytes(joined), inputs, LAYOUTS[0])
    assert relative_difference(got, want) <= TOLERANCE


@settings(max_examples=25)
@given(mbconvs())
def test_any_block_runs_in_its_frame(block: Operator) -> None:
    """What is timed for it, of any shape that is small enough to be run here."""
    (channels, *size), limits = block.inputs[0], {"expand": 48, "se": 12, "out": 24}
    small = {name: min(value, limits.get(name, value)) for name, value in block.attributes}
    before = (min(channels, 24), *(min(side, 9) for side in size))
    small["skip"] = int(small["skip"] and small["out"] == before[0])
    block = replace(block, inputs=(before,), attributes=tuple(small.items()))
    graph = expanded(subject_graph(Framed(block)))
    assert set(graph.operators) >= set(expanded(single_operator_graph(block)).operators)
    inputs, weights = random_inputs(graph, 1), random_weights(graph, seed=0)
    want = evaluate(graph, weights, inputs)
    assert relative_difference(run_onnxruntime(onnx_bytes(graph), inputs), want) <= TOLERANCE
    assert relative_difference(run_litert(tflite_bytes(graph), inputs), want) <= TOLERANCE


@pytest.mark.parametrize(
    "condition",
    [
        Condition("litert"),
        Condition("onnxruntime"),
        Condition("onnxruntime", options="optimization=extended"),
        Condition("litert", dtype="int8"),
    ],
    ids=str,
)
def test_blocks_are_measured_like_operators(
    device: LocalDevice, store: Store, condition: Condition
) -> None:
    network = reference_graph()
    texts = (
        "mbconv/24x12x12/expand=72,kernel=5,out=24,se=24,skip=1,stride=1/hswish/float32",
        "mbconv/24x12x12/expand=72,kernel=3,out=40,se=0,skip=0,stride=2/relu/float32",
    )
    framed = find_runtime(condition.runtime).frames(condition.options, condition.dtype)
    plan = make_plan(
        map(Operator.parse, texts),
        [network],
        passes=2,
        framed=framed,
        dtype=condition.dtype,
        rows=(BLOCKS,),
    )
    report = collect(device, store, "blocks", plan, condition, np.random.default_rng(1))
    assert report.failures == {}
    table: LatencyTable = store.load("blocks")
    assert set(table.rows) == set(plan.operators)
    assert store.find("blocks").operators == len(plan.operators)
    for operator in plan.operators:
        row = table.rows[operator]
        assert len(row.window_medians_ms) == 2
        if operator.kind == "mbconv":
            assert isinstance(row, Difference) == framed
            assert row.median_ms > 0
    assert table.estimators[0].granularity is BLOCKS
    assert table.calibration.networks == 1
    assert table.covers(plan.networks[0].operators)
