from __future__ import annotations

from contextlib import suppress

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given, settings

from sartor.profiler.dissect import Piece, distinct
from sartor.profiler.writers.tflite import tflite_bytes
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.tables.errors import ModelFileError
from sartor.tables.graph import Graph, GraphBuilder

from .running import assert_same, cut_tflite_bytes, run_chain, run_tflite
from .sketch import Sketch

VALID = 1


def kinds(pieces: tuple[Piece, ...]) -> list[str]:
    return [piece.kind for piece in pieces]


def assert_chain(content: bytes) -> tuple[Piece, ...]:
    """The pieces one after another compute what the model computes."""
    pieces = cut_tflite_bytes(content)
    inputs, wanted = run_tflite(content)
    assert_same(run_chain(pieces, inputs), wanted)
    return pieces


def own_network() -> Graph:
    builder = GraphBuilder("own", (3, 17, 15))
    first = builder.add(
        "first", "conv2d", builder.input, kernel=3, out=8, stride=2, activation="hswish"
    )
    deep = builder.add("deep", "depthwise_conv2d", first, kernel=5, stride=1, activation="relu6")
    scaled = builder.add("scaled", "squeeze_excite", deep, middle=4)
    total = builder.add("total", "add", scaled, first)
    pooled = builder.add("pooled", "global_average_pool", total)
    builder.add("classes", "dense", pooled, out=5)
    return builder.graph()


def test_a_network_of_ours_is_the_chain_of_its_pieces() -> None:
    pieces = assert_chain(tflite_bytes(own_network(), batch=2))
    assert kinds(pieces)[:3] == ["CONV_2D", "HARD_SWISH", "DEPTHWISE_CONV_2D"]
    assert pieces[0].text == "2×17×15×3 → 2×9×8×8, kernel 3×3, stride 2"
    assert pieces[2].details == "kernel 5×5, relu6"
    assert pieces[-1].outputs[0].shape == (2, 5)


def test_a_supernets_network_is_the_chain_of_its_pieces() -> None:
    spec = MobileNetV3(width=0.25, classes=3, resolutions=(64, 96))
    (subnetwork,) = spec.space.random(1, np.random.default_rng(1))
    pieces = assert_chain(tflite_bytes(spec.graph(tuple(map(int, subnetwork)))))
    assert "PAD + DEPTHWISE_CONV_2D" in kinds(pieces)
    assert "PAD" not in kinds(pieces)
    assert sum(piece.times for piece in distinct(pieces)) == len(pieces)


def test_operators_that_differ_in_weights_alone_are_one_piece() -> None:
    sketch = Sketch()
    tensors = [sketch.flow(name, (1, 6, 6, 4)) for name in "abcd"]
    sketch.convolution(tensors[0], tensors[1])
    sketch.convolution(tensors[1], tensors[2])
    sketch.convolution(tensors[2], tensors[3], fusedActivationFunction=1)
    pieces = assert_chain(sketch.pack({"a": tensors[0]}, {"d": tensors[3]}))
    assert pieces[0].content != pieces[1].content
    assert [piece.times for piece in distinct(pieces)] == [2, 1]
    assert distinct(pieces)[0].name == "b"


@pytest.mark.parametrize("difference", ["axes", "paddings"])
def test_operators_of_other_parameters_are_other_pieces(difference: str) -> None:
    sketch = Sketch()
    a, b, c = (sketch.flow(name, (1, 6, 6, 4)) for name in "abc")
    if difference == "axes":
        for source, result, order in ((a, b, [0, 2, 1, 3]), (b, c, [0, 1, 2, 3])):
            axes = sketch.stored("axes", np.array(order, np.int32))
            sketch.operator("TRANSPOSE", [source, axes], result, "TransposeOptions")
    else:
        for source, result, end in ((a, b, 1), (b, c, 0)):
            grown = sketch.flow(f"grown {end}", (1, 7, 6, 4))
            ends = np.array([[0, 0], [1 - end, end], [0, 0], [0, 0]], np.int32)
            sketch.operator("PAD", [source, sketch.stored("p", ends)], grown, "PadOptions")
            begin = sketch.stored("begin", np.array([0, 0, 0, 0], np.int32))
            size = sketch.stored("size", np.array([1, 6, 6, 4], np.int32))
            sketch.operator("SLICE", [grown, begin, size], result, "SliceOptions")
    pieces = assert_chain(sketch.pack({"a": a}, {"c": c}))
    first = "TRANSPOSE" if difference == "axes" else "PAD"
    assert [one.times for one in distinct(pieces) if one.kind == first] == [1, 1]


def test_a_padding_runs_with_the_convolution_that_alone_reads_it() -> None:
    sketch = Sketch()
    a, padded, b = (
        sketch.flow(*one) for one in (("a", (1, 6, 6, 4)), ("p", (1, 8, 8, 4)), ("b", (1, 6, 6, 4)))
    )
    ends = sketch.stored("ends", np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32))
    sketch.operator("PAD", [a, ends], padded, "PadOptions")
    sketch.convolution(padded, b, padding=VALID)
    assert kinds(assert_chain(sketch.pack({"a": a}, {"b": b}))) == ["PAD + CONV_2D"]
    assert kinds(assert_chain(sketch.pack({"a": a}, {"b": b, "p": padded}))) == ["PAD", "CONV_2D"]


def test_a_padding_of_channels_runs_by_itself() -> None:
    sketch = Sketch()
    a, padded, b = (
        sketch.flow(*one) for one in (("a", (1, 8, 8, 3)), ("p", (1, 8, 8, 4)), ("b", (1, 6, 6, 4)))
    )
    ends = sketch.stored("ends", np.array([[0, 0], [0, 0], [0, 0], [0, 1]], np.int32))
    sketch.operator("PAD", [a, ends], padded, "PadOptions")
    sketch.convolution(padded, b, padding=VALID)
    assert kinds(assert_chain(sketch.pack({"a": a}, {"b": b}))) == ["PAD", "CONV_2D"]


def test_a_clamp_runs_with_the_operator_that_it_alone_reads() -> None:
    sketch = Sketch()
    a, b, c, d = (sketch.flow(name, (1, 6, 6, 4)) for name in "abcd")
    sketch.convolution(a, b)
    sketch.operator("RELU6", [b], c)
    alone = sketch.pack({"a": a}, {"c": c})
    assert kinds(assert_chain(alone)) == ["CONV_2D + RELU6"]
    assert kinds(assert_chain(sketch.pack({"a": a}, {"c": c, "b": b}))) == ["CONV_2D", "RELU6"]
    sketch.operator("ADD", [b, c], d, "AddOptions")
    pieces = assert_chain(sketch.pack({"a": a}, {"d": d}))
    assert kinds(pieces) == ["CONV_2D", "RELU6", "ADD"]


def test_stored_weights_are_unpacked_within_the_pieces_that_read_them() -> None:
    sketch = Sketch()
    a, b, c, half = (sketch.flow(name, (1, 6, 6, 4)) for name in ("a", "b", "c", "half"))
    weights = sketch.stored("w16", np.linspace(-1, 1, 144).astype(np.float16).reshape(1, 6, 6, 4))
    sketch.operator("DEQUANTIZE", [weights], half, "DequantizeOptions")
    sketch.operator("MUL", [a, half], b, "MulOptions")
    sketch.operator("ADD", [b, half], c, "AddOptions")
    pieces = assert_chain(sketch.pack({"a": a}, {"c": c}))
    assert kinds(pieces) == ["MUL", "ADD"]
    assert [len(piece.inputs) for piece in pieces] == [1, 1]


def test_a_quantised_model_is_the_chain_of_its_pieces() -> None:
    sketch = Sketch()
    rng = np.random.default_rng(0)
    a, b = sketch.flow("a", (1, 6, 6, 4), "int8", 0.02), sketch.flow("b", (1, 6, 6, 4), "int8", 0.1)
    c, d = sketch.flow("c", (1, 3, 3, 4), "int8", 0.1), sketch.flow("d", (1, 3, 3, 4))
    weights = sketch.stored("w", rng.integers(-99, 99, (4, 3, 3, 4), np.int8), 0.01)
    bias = sketch.stored("bias", rng.integers(-99, 99, 4, np.int32), 0.0002)
    strides = {"strideH": 1, "strideW": 1}
    sketch.operator("CONV_2D", [a, weights, bias], b, "Conv2DOptions", **strides)
    window = {"filterHeight": 2, "filterWidth": 2, "strideH": 2, "strideW": 2, "padding": VALID}
    sketch.operator("MAX_POOL_2D", [b], c, "Pool2DOptions", **window)
    sketch.operator("DEQUANTIZE", [c], d, "DequantizeOptions")
    pieces = assert_chain(sketch.pack({"a": a}, {"d": d}))
    assert kinds(pieces) == ["CONV_2D", "MAX_POOL_2D", "DEQUANTIZE"]
    assert pieces[0].text == "1×6×6×4 int8 → 1×6×6×4 int8, kernel 3×3"


def test_indices_and_truth_values_flow_as_they_are() -> None:
    sketch = Sketch()
    rng = np.random.default_rng(0)
    words, picked = sketch.flow("words", (1, 5), "int32"), sketch.flow("picked", (1, 5, 8))
    known, chosen = sketch.flow("known", (1, 5, 8), "bool"), sketch.flow("chosen", (1, 5, 8))
    table = sketch.stored("table", rng.standard_normal((10, 8), np.float32))
    sketch.operator("GATHER", [table, words], picked, "GatherOptions", axis=0)
    other = sketch.stored("other", np.zeros((1, 5, 8), np.float32))
    sketch.operator("SELECT_V2", [known, picked, other], chosen, "SelectV2Options")
    pieces = assert_chain(sketch.pack({"words": words, "known": known}, {"chosen": chosen}))
    assert pieces[0].text == "1×5 int32 → 1×5×8"
    assert [tensor.dtype for tensor in pieces[1].inputs] == ["bool", "float32"]


def test_a_shape_that_the_model_computes_is_stored_in_the_piece() -> None:
    sketch = Sketch()
    a, shape, first = (
        sketch.flow("a", (1, 6, 4)),
        sketch.flow("s", (3,), "int32"),
        sketch.flow("f", (), "int32"),
    )
    target, b = sketch.flow("t", (2,), "int32"), sketch.flow("b", (1, 24))
    sketch.operator("SHAPE", [a], shape, "ShapeOptions", outType=2)
    ends = [
        sketch.stored(name, np.array([at], np.int32))
        for name, at in (("0", 0), ("1", 1), ("step", 1))
    ]
    sketch.operator("STRIDED_SLICE", [shape, *ends], first, "StridedSliceOptions", shrinkAxisMask=1)
    rest = sketch.stored("rest", np.array(24, np.int32))
    sketch.operator("PACK", [first, rest], target, "PackOptions", valuesCount=2, axis=0)
    sketch.operator("RESHAPE", [a, target], b, "ReshapeOptions")
    pieces = assert_chain(sketch.pack({"a": a}, {"b": b}))
    assert kinds(pieces) == ["SHAPE", "STRIDED_SLICE", "PACK", "RESHAPE"]
    assert [tensor.name for tensor in pieces[-1].inputs] == ["a"]


def test_a_parameter_that_nothing_tells_is_the_reason_why_a_piece_is_not_timed() -> None:
    sketch = Sketch()
    a, order, b = (
        sketch.flow("a", (1, 6, 4)),
        sketch.flow("order", (3,), "int32"),
        sketch.flow("b", (1, 4, 6)),
    )
    sketch.operator("TRANSPOSE", [a, order], b, "TransposeOptions")
    (piece,) = cut_tflite_bytes(sketch.pack({"a": a, "order": order}, {"b": b}))
    assert piece.problem == "its parameter order is computed while the model runs"
    assert piece.content == b""


@pytest.mark.parametrize(
    ("kind", "options", "dtype", "shape", "problem"),
    [
        ("IF", "IfOptions", "float32", (1, 4), "it runs other parts of the model"),
        ("WHILE", "WhileOptions", "float32", (1, 4), "it runs other parts of the model"),
        ("READ_VARIABLE", "ReadVariableOptions", "resource", (), "it keeps something between runs"),
        ("ABS", "AbsOptions", "string", (1, 4), "it works on text"),
        ("ABS", "AbsOptions", "float32", (1, 0), "its shapes are known only while the model runs"),
    ],
)
def test_what_no_piece_can_be_made_of_says_why(
    kind: str, options: str, dtype: str, shape: tuple[int, ...], problem: str
) -> None:
    sketch = Sketch()
    a, b, c = sketch.flow("a", shape, dtype), sketch.flow("b", (1, 4)), sketch.flow("c", (1, 4))
    sketch.operator(kind, [a], b, options)
    sketch.operator("ABS", [b], c, "AbsOptions")
    odd, usual = cut_tflite_bytes(sketch.pack({"a": a}, {"c": c}))
    assert odd.problem == problem
    assert usual.problem == ""
    assert run_tflite(usual.content)[1]["c"].min() >= 0


def test_a_size_that_only_the_user_knows_is_an_error() -> None:
    sketch = Sketch()
    a, b = sketch.flow("a", (1, 1, 1, 4)), sketch.flow("b", (1, 1, 1, 4))
    sketch.operator("ABS", [a], b, "AbsOptions")
    sketch.open_sizes(a, (-1, 1, 1, 4))
    assert len(assert_chain(sketch.pack({"a": a}, {"b": b}))) == 1
    sketch.open_sizes(a, (-1, -1, -1, 4))
    with pytest.raises(ModelFileError, match=r"input a may have any size \(\?×\?×\?×4\)"):
        cut_tflite_bytes(sketch.pack({"a": a}, {"b": b}))


def test_tensors_of_one_name_are_told_apart() -> None:
    sketch = Sketch()
    a, b, c = (sketch.flow(name, (1, 4)) for name in ("a", "same", "same"))
    sketch.operator("ABS", [a], b, "AbsOptions")
    sketch.operator("NEG", [b], c, "NegOptions")
    pieces = cut_tflite_bytes(sketch.pack({"a": a}, {"c": c}))
    values = run_chain(pieces, {"a": np.array([[1, -2, 3, -4]], np.float32)})
    assert values[f"same#{c}"].tolist() == [[-1, -2, -3, -4]]


@settings(max_examples=100)
@given(st.integers(8, 2000), st.none() | st.integers(0, 255))
@example(place=12, value=9)  # then there are no buffers
def test_damaged_files_raise_nothing_but_our_error(place: int, value: int | None) -> None:
    content = bytearray(tflite_bytes(own_network()))
    if value is None:
        del content[place:]
    else:
        content[place] = value
    with suppress(ModelFileError):
        cut_tflite_bytes(bytes(content))
