"""tflite-runtime, which needs an environment of its own: it was built for NumPy 1."""

from __future__ import annotations

import subprocess
import venv
from pathlib import Path

import numpy as np
import pytest

from sartor.devices import LocalDevice
from sartor.profiler import AgentSession, collect, find_runtime, make_plan
from sartor.profiler.reference import reference_graph
from sartor.profiler.writers.weights import random_weights
from sartor.tables.errors import RuntimeMissingError
from sartor.tables.graph import Graph
from sartor.tables.kinds import KINDS
from sartor.tables.operator import Operator
from sartor.tables.provenance import Condition
from sartor.tables.store import Store

from .oracle import evaluate, relative_difference

RUNTIME = find_runtime("tflite-runtime")
OPERATORS = tuple(
    Operator.parse(text)
    for text in (
        "conv2d/16x14x14/kernel=1,out=32,stride=1/relu/float32",
        "depthwise_conv2d/16x14x14/kernel=3,stride=2/hswish/float32",
        "squeeze_excite/16x14x14/middle=4/none/float32",
    )
)


@pytest.fixture(scope="module")
def old_device(tmp_path_factory: pytest.TempPathFactory) -> LocalDevice:
    """This machine with an interpreter that has tflite-runtime 2.14."""
    folder = tmp_path_factory.mktemp("tflite-runtime")
    venv.create(folder / "venv", with_pip=True)
    device = LocalDevice(folder / "device", str(folder / "venv" / "bin" / "python"))
    installed = subprocess.run(
        [device.python, "-m", "pip", "install", "-q", "numpy<2", "tflite-runtime==2.14.*"],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    if installed.returncode:
        pytest.skip(f"tflite-runtime 2.14 is not to be had here: {installed.stderr.strip()}")
    return device


@pytest.mark.slow
def test_it_is_measured_in_an_environment_of_its_own(
    old_device: LocalDevice, tmp_path: Path
) -> None:
    plan = make_plan(OPERATORS, [reference_graph()], passes=2)
    condition = Condition("tflite-runtime")
    with Store.open(tmp_path / "store.db") as store:
        report = collect(old_device, store, "old", plan, condition, np.random.default_rng(0))
        table = store.load("old")
    assert report.failures == {}
    assert set(table.rows) == set(plan.operators)
    assert table.provenance.runtime_version == "tflite-runtime 2.14.0"
    facts = dict(table.provenance.facts)
    assert facts["numpy"].startswith("1.")
    assert "ai-edge-litert" not in facts


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_it_runs_every_kind_of_operator_in_every_data_type(
    old_device: LocalDevice, tmp_path: Path, dtype: str
) -> None:
    kinds = (
        *OPERATORS,
        Operator.parse("add/16x14x14,16x14x14/-/relu/float32"),
        Operator.parse("average_pool/16x7x14/window=2/none/float32"),
        Operator.parse("dense/16x2x2/out=10/none/float32"),
        Operator.parse("max_pool/16x14x14/kernel=3,stride=2/relu/float32"),
        Operator.parse("global_average_pool/16x14x14/-/none/float32"),
    )
    assert {operator.kind for operator in kinds} == {
        name for name, kind in KINDS.items() if not kind.parts
    }
    plan = make_plan(kinds, passes=1, dtype=dtype)
    condition = Condition("tflite-runtime", dtype=dtype)
    with Store.open(tmp_path / "store.db") as store:
        report = collect(old_device, store, "old", plan, condition, np.random.default_rng(0))
        assert set(store.load("old").rows) == set(plan.operators)
    assert report.failures == {}


@pytest.mark.slow
def test_it_computes_what_torch_computes(old_device: LocalDevice) -> None:
    bare = reference_graph()
    graph = Graph(bare.name, bare.inputs, bare.nodes, random_weights(bare, 7))
    inputs = np.random.default_rng(0).standard_normal((1, 1, 40, 28, 28), np.float32)
    with AgentSession(old_device, RUNTIME) as agent:
        (model,) = agent.place([RUNTIME.write(graph)])
        outputs = agent.infer(model, inputs)
    want = evaluate(graph, graph.weights, {"input": inputs[0]})
    assert relative_difference(outputs[0], want) <= 1e-4


def test_it_is_not_taken_for_litert(device: LocalDevice) -> None:
    with (
        pytest.raises(RuntimeMissingError, match=r"cannot import tflite-runtime.*'numpy<2' tflite"),
        AgentSession(device, RUNTIME),
    ):
        pass
