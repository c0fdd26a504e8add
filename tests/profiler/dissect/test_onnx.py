from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from sartor.profiler.dissect import Piece, distinct
from sartor.profiler.writers.onnx import onnx_bytes
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.tables.errors import ModelFileError
from sartor.tables.graph import GraphBuilder

from .running import assert_same, cut_onnx_bytes, run_chain, run_onnx

Stored = Mapping[str, NDArray[np.generic]]


def value(name: str, dtype: int, shape: Sequence[int | str]) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, shape)


def model(
    nodes: Sequence[NodeProto],
    inputs: Sequence[ValueInfoProto],
    outputs: Sequence[ValueInfoProto],
    stored: Stored | None = None,
) -> bytes:
    weights = [numpy_helper.from_array(np.asarray(x), name) for name, x in (stored or {}).items()]
    made: ModelProto = helper.make_model(
        helper.make_graph(nodes, "test", inputs, outputs, weights),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    content: bytes = made.SerializeToString()
    return content


def assert_chain(
    content: bytes, folder: Path, shapes: Mapping[str, tuple[int, ...]] | None = None
) -> tuple[Piece, ...]:
    """The pieces one after another compute what the model computes."""
    pieces, fixed = cut_onnx_bytes(content, folder, shapes)
    inputs, wanted = run_onnx(fixed)
    assert_same(run_chain(pieces, inputs), wanted)
    return pieces


def test_a_supernets_network_is_the_chain_of_its_pieces(tmp_path: Path) -> None:
    spec = MobileNetV3(width=0.25, classes=3, resolutions=(64, 96))
    (subnetwork,) = spec.space.random(1, np.random.default_rng(1))
    pieces = assert_chain(onnx_bytes(spec.graph(tuple(map(int, subnetwork)))), tmp_path)
    assert len(distinct(pieces)) < len(pieces)
    assert sum(piece.times for piece in distinct(pieces)) == len(pieces)
    # Activations are fused by the runtime, so none is a piece of its own.
    assert "Relu" not in {piece.kind for piece in pieces}


def test_a_batch_of_several_is_kept(tmp_path: Path) -> None:
    builder = GraphBuilder("own", (3, 9, 9))
    builder.add("a", "conv2d", builder.input, kernel=3, out=4, stride=2, activation="relu")
    first, *_ = assert_chain(onnx_bytes(builder.graph(), batch=3), tmp_path)
    assert first.inputs[0].shape == (3, 3, 9, 9)
    assert "kernel 3×3, stride 2" in first.details


def test_words_a_mask_and_half_floats_flow_as_they_are(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Gather", ["table", "words"], ["picked"]),
        helper.make_node("Where", ["mask", "picked", "zero"], ["chosen"]),
        helper.make_node("Cast", ["chosen"], ["half"], to=TensorProto.FLOAT16),
        helper.make_node("MatMul", ["half", "weights"], ["mixed"]),
        helper.make_node("Add", ["mixed", "state"], ["result"]),
    ]
    content = model(
        nodes,
        [
            value("words", TensorProto.INT64, ["batch", 5]),
            value("mask", TensorProto.BOOL, ["batch", 5, 8]),
            value("state", TensorProto.FLOAT16, ["batch", 5, 4]),
        ],
        [value("result", TensorProto.FLOAT16, ["batch", 5, 4])],
        {
            "table": rng.standard_normal((10, 8), np.float32),
            "zero": np.zeros((), np.float32),
            "weights": rng.standard_normal((8, 4), np.float32).astype(np.float16),
        },
    )
    pieces = assert_chain(content, tmp_path)
    texts = {piece.kind: piece.text for piece in pieces}
    assert texts["Gather"] == "1×5 int64 → 1×5×8"
    assert texts["Where"] == "1×5×8 bool, 1×5×8 → 1×5×8"
    assert pieces[-1].outputs[0].dtype == "float16"


def test_a_shape_that_follows_from_the_batch_is_known_once_that_is_fixed(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "first"], ["batch"]),
        helper.make_node("Concat", ["batch", "rest"], ["target"], axis=0),
        helper.make_node("Reshape", ["x", "target"], ["flat"]),
        helper.make_node("Sigmoid", ["flat"], ["y"]),
    ]
    content = model(
        nodes,
        [value("x", TensorProto.FLOAT, ["n", 3, 4])],
        [value("y", TensorProto.FLOAT, ["n", "m"])],
        {"first": np.array([0], np.int64), "rest": np.array([12], np.int64)},
    )
    pieces = assert_chain(content, tmp_path)
    assert [piece.kind for piece in pieces] == ["Reshape", "Sigmoid"]


def test_a_shape_that_the_model_computes_is_stored_in_the_piece(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Add", ["sizes", "none"], ["target"]),
        helper.make_node("ConstantOfShape", ["target"], ["zeros"]),
        helper.make_node("Expand", ["x", "target"], ["wide"]),
        helper.make_node("Add", ["wide", "zeros"], ["y"]),
    ]
    content = model(
        nodes,
        [value("x", TensorProto.FLOAT, [1, 4]), value("sizes", TensorProto.INT64, [2])],
        [value("y", TensorProto.FLOAT, ["a", "b"])],
        {"none": np.array([3, 4], np.int64)},
    )
    pieces, _ = cut_onnx_bytes(content, tmp_path)
    made = {piece.kind: piece for piece in pieces}
    assert [tensor.name for tensor in made["Expand"].inputs] == ["x"]
    _, found = run_onnx(made["Expand"].content)
    assert found["wide"].shape == (3, 4)
    assert made["ConstantOfShape"].problem.startswith("it works on parameters alone")


def test_what_no_piece_can_be_made_of_says_why(tmp_path: Path) -> None:
    def branch(name: str, kind: str) -> object:
        inside = [helper.make_node(kind, ["x"], [name])]
        return helper.make_graph(inside, name, [], [value(name, TensorProto.FLOAT, [2, 3])])

    nodes = [
        helper.make_node(
            *("If", ["which"], ["chosen"]),
            then_branch=branch("then", "Sigmoid"),
            else_branch=branch("else", "Tanh"),
        ),
        helper.make_node("SplitToSequence", ["chosen"], ["parts"], axis=0),
        helper.make_node("ConcatFromSequence", ["parts"], ["whole"], axis=0),
        helper.make_node("Softmax", ["whole"], ["y"]),
    ]
    content = model(
        nodes,
        [value("x", TensorProto.FLOAT, [2, 3]), value("which", TensorProto.BOOL, [])],
        [value("y", TensorProto.FLOAT, [2, 3])],
    )
    pieces, _ = cut_onnx_bytes(content, tmp_path)
    problems = {piece.kind: piece.problem for piece in pieces}
    assert problems["If"] == "it runs other parts of the model"
    assert problems["SplitToSequence"] == "parts is no tensor of numbers (seq(tensor(float)))"
    assert problems["Softmax"] == ""


def test_what_comes_out_empty_is_not_timed(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("NonZero", ["x"], ["places"]),
        helper.make_node("Cast", ["places"], ["y"], to=TensorProto.FLOAT),
    ]
    content = model(
        nodes,
        [value("x", TensorProto.INT64, [2, 3])],  # zeros, when they are made up
        [value("y", TensorProto.FLOAT, [2, "n"])],
    )
    pieces, _ = cut_onnx_bytes(content, tmp_path)
    assert [piece.problem.partition(" was ")[0] for piece in pieces] == ["places", "places"]


def test_nodes_that_differ_in_weights_alone_are_one_piece(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weights = {name: rng.standard_normal((4, 4), np.float32) for name in "uvw"}
    nodes = [
        helper.make_node("MatMul", ["a", "u"], ["b"]),
        helper.make_node("Sin", ["b"], ["c"]),
        helper.make_node("MatMul", ["c", "v"], ["d"]),
        helper.make_node("Cos", ["d"], ["e"]),
        helper.make_node("Gemm", ["e", "w"], ["f"], transB=1),
    ]
    ends = [value("a", TensorProto.FLOAT, [3, 4])], [value("f", TensorProto.FLOAT, [3, 4])]
    pieces = distinct(assert_chain(model(nodes, *ends, weights), tmp_path))
    assert {piece.kind: piece.times for piece in pieces} == {
        "MatMul": 2,
        "Sin": 1,
        "Cos": 1,
        "Gemm": 1,
    }


def test_parameters_tell_pieces_apart(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Pad", ["a", "p"], ["b"]),
        helper.make_node("Sin", ["b"], ["c"]),
        helper.make_node("Slice", ["c", "from", "to", "axes"], ["d"]),
        helper.make_node("Pad", ["d", "q"], ["e"]),
    ]
    integers = {"p": [0, 1, 0, 0], "q": [0, 0, 0, 1], "from": [0], "to": [4], "axes": [1]}
    stored = {name: np.array(numbers, np.int64) for name, numbers in integers.items()}
    ends = [value("a", TensorProto.FLOAT, [3, 4])], [value("e", TensorProto.FLOAT, [3, 5])]
    pieces = distinct(assert_chain(model(nodes, *ends, stored), tmp_path))
    assert [piece.times for piece in pieces if piece.kind == "Pad"] == [1, 1]


def test_weights_listed_among_the_inputs_as_old_files_do(tmp_path: Path) -> None:
    weights = np.random.default_rng(0).standard_normal((4, 2), np.float32)
    made = ModelProto.FromString(
        model(
            [helper.make_node("MatMul", ["a", "w"], ["b"])],
            [value("a", TensorProto.FLOAT, ["n", 4]), value("w", TensorProto.FLOAT, [4, 2])],
            [value("b", TensorProto.FLOAT, ["n", 2])],
            {"w": weights},
        )
    )
    made.ir_version = 3
    (piece,) = assert_chain(made.SerializeToString(), tmp_path)
    assert [tensor.name for tensor in piece.inputs] == ["a"]


OPEN = model(
    [helper.make_node("Sin", ["x"], ["y"])],
    [value("x", TensorProto.FLOAT, ["n", 3, "h", "w"])],
    [value("y", TensorProto.FLOAT, ["n", 3, "h", "w"])],
)


def test_sizes_that_are_open_are_taken_from_the_user(tmp_path: Path) -> None:
    (piece,) = assert_chain(OPEN, tmp_path, {"x": (2, 3, 4, 5)})
    assert piece.text == "2×3×4×5 → 2×3×4×5"


@pytest.mark.parametrize(
    ("shapes", "complaint"),
    [
        ({}, r"the input x may have any size \(\?×3×\?×\?\).*--shape x=1x3x64x64"),
        ({"z": (1,)}, "no input z; its inputs: x"),
        ({"x": (1, 4, 5, 5)}, r"the input x takes \?×3×\?×\?, and not 1×4×5×5"),
        ({"x": (1, 3, 5)}, r"the input x takes \?×3×\?×\?, and not 1×3×5"),
    ],
)
def test_sizes_that_do_not_fit_are_an_error(
    shapes: Mapping[str, tuple[int, ...]], complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelFileError, match=complaint):
        cut_onnx_bytes(OPEN, tmp_path, shapes)


def test_an_input_that_is_no_tensor_is_an_error(tmp_path: Path) -> None:
    content = model(
        [helper.make_node("ConcatFromSequence", ["x"], ["y"], axis=0)],
        [helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, [2])],
        [value("y", TensorProto.FLOAT, ["n"])],
    )
    with pytest.raises(ModelFileError, match="the input x is no tensor"):
        cut_onnx_bytes(content, tmp_path)


def test_a_model_that_the_runtime_does_not_take_is_an_error_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    content = model(
        [helper.make_node("Nonsense", ["x"], ["y"], domain="made.up")],
        [value("x", TensorProto.FLOAT, [2])],
        [value("y", TensorProto.FLOAT, [2])],
    )
    with pytest.raises(ModelFileError, match="ONNX Runtime on local cannot optimise the model: I"):
        cut_onnx_bytes(content, tmp_path)
    assert list((tmp_path / "device" / "sessions").iterdir()) == []
