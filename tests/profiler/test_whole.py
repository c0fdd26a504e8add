from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import GraphProto, TensorProto, helper

from sartor.devices import LocalDevice
from sartor.profiler import ModelFile, ModelProfile, find_runtime, measure_model
from sartor.tables.errors import ModelFileError
from sartor.tables.graph import Graph, GraphBuilder

from .dissect.sketch import Sketch


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def graph() -> Graph:
    """Two equal convolutions, and a large one that takes nearly all the time."""
    builder = GraphBuilder("small", (8, 12, 12))
    tensor = builder.input
    for name in ("one", "two"):
        tensor = builder.add(name, "conv2d", tensor, kernel=1, out=8, stride=1, activation="relu")
    builder.add("large", "conv2d", tensor, kernel=7, out=256, stride=1)
    return builder.graph()


def profile(device: LocalDevice, runtime: str, passes: int = 3) -> ModelProfile:
    chosen = find_runtime(runtime)
    model = ModelFile(f"small{chosen.suffix}", chosen, chosen.write(graph()))
    return measure_model(device, model, rng(), passes=passes)


@pytest.mark.parametrize("runtime", ["litert", "onnxruntime"])
def test_the_whole_and_its_pieces_are_measured(device: LocalDevice, runtime: str) -> None:
    seen: list[tuple[int, int]] = []
    chosen = find_runtime(runtime)
    model = ModelFile("small", chosen, chosen.write(graph()))
    found = measure_model(device, model, rng(), progress=lambda done, of: seen.append((done, of)))
    assert (found.model, found.device, found.runtime) == ("small", "local", runtime)
    assert found.failures == ()
    assert [window.pass_index for window in found.whole.windows] == [0, 1, 2]
    low_ms, high_ms = found.whole.interval_ms() or (0, 0)
    assert low_ms <= found.whole.median_ms <= high_ms
    levels = {one.measured.reference_us for one in found.pieces} | {found.whole.reference_us}
    assert len(levels) == 1
    total = 3 * (1 + len(found.pieces))
    assert seen == [(done, total) for done in range(1, total + 1)]
    assert sum(map(found.share, found.pieces)) == pytest.approx(1)
    assert sum(kind.share for kind in found.kinds) == pytest.approx(1)
    assert found.sum_over_whole == pytest.approx(found.sum_ms / found.whole.median_ms)
    # 7×7×8×256 multiply-adds per pixel, where each of the others has 8×8.
    largest = found.ranked[0]
    assert 256 in largest.piece.outputs[0].shape
    assert found.share(largest) > 0.5


def test_equal_pieces_are_timed_once_and_counted_twice(device: LocalDevice) -> None:
    found = profile(device, "litert", passes=1)
    assert [one.piece.times for one in found.pieces] == [2, 1]
    twice = found.pieces[0]
    assert twice.total_ms == pytest.approx(2 * twice.measured.median_ms)
    (kind,) = found.kinds
    assert (kind.kind, kind.pieces) == ("CONV_2D", 3)
    assert kind.total_ms == pytest.approx(found.sum_ms)


def test_one_pass_gives_no_interval(device: LocalDevice) -> None:
    assert profile(device, "litert", passes=1).whole.interval_ms() is None


def test_a_piece_that_cannot_be_timed_is_named_and_left_out(device: LocalDevice) -> None:
    sketch = Sketch()
    a, b, order = (
        sketch.flow("a", (8, 8)),
        sketch.flow("b", (8, 8)),
        sketch.flow("o", (2,), "int32"),
    )
    c = sketch.flow("c", (8, 8))
    sketch.operator("TANH", [a], b)
    sketch.operator("TRANSPOSE", [b, order], c, "TransposeOptions")
    content = sketch.pack({"a": a, "o": order}, {"c": c})
    model = ModelFile("odd.tflite", find_runtime("litert"), content)
    found = measure_model(device, model, rng(), passes=1)
    assert [one.piece.kind for one in found.pieces] == ["TANH"]
    ((piece, reason),) = found.failures
    assert (piece.kind, piece.name) == ("TRANSPOSE", "c")
    assert reason == "its parameter o is computed while the model runs"


def test_control_flow_runs_in_the_whole_and_in_no_piece(device: LocalDevice) -> None:
    def branch(name: str, kind: str) -> GraphProto:
        inside = [helper.make_node(kind, ["x"], [name])]
        value = helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 3])
        return helper.make_graph(inside, name, [], [value])

    nodes = [
        helper.make_node(
            *("If", ["which"], ["chosen"]),
            then_branch=branch("then", "Sin"),
            else_branch=branch("else", "Tanh"),
        ),
        helper.make_node("Softmax", ["chosen"], ["y"]),
    ]
    made = helper.make_model(
        helper.make_graph(
            nodes,
            "odd",
            [
                helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3]),
                helper.make_tensor_value_info("which", TensorProto.BOOL, []),
            ],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 3])],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    model = ModelFile("odd.onnx", find_runtime("onnxruntime"), made.SerializeToString())
    found = measure_model(device, model, rng(), passes=1)
    assert [one.piece.kind for one in found.pieces] == ["Softmax"]
    ((piece, reason),) = found.failures
    assert (piece.kind, reason) == ("If", "it runs other parts of the model")
    assert found.share(found.pieces[0]) == 1


def test_shapes_are_for_models_that_leave_them_open(device: LocalDevice) -> None:
    runtime = find_runtime("litert")
    model = ModelFile("small.tflite", runtime, runtime.write(graph()))
    with pytest.raises(ModelFileError, match=r"small\.tflite: a \.tflite file has shapes"):
        measure_model(device, model, rng(), shapes={"input": (1, 12, 12, 8)})


def test_a_model_that_does_not_run_is_an_error_and_leaves_nothing(device: LocalDevice) -> None:
    sketch = Sketch()
    a, b = sketch.flow("a", (2, 3)), sketch.flow("b", (2, 3))
    sketch.custom("Nonsense", [a], b)
    content = sketch.pack({"a": a}, {"b": b})
    model = ModelFile("odd.tflite", find_runtime("litert"), content)
    with pytest.raises(
        ModelFileError, match=r"odd\.tflite: litert on local cannot run it: .*Nonse"
    ):
        measure_model(device, model, rng())
    assert list((Path(str(device.root)) / "agents").iterdir()) == []
