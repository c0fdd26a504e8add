"""Models in float16 and int8: they load, run as they should, and compute nearly the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given, settings

from sartor.profiler.reference import reference_graph
from sartor.profiler.writers.onnx import onnx_bytes
from sartor.profiler.writers.ranges import INPUT_LIMIT, activation_ranges
from sartor.profiler.writers.tflite import tflite_bytes
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.tables.dtypes import graph_with_dtype
from sartor.tables.errors import GraphError
from sartor.tables.graph import Graph, Node, single_operator_graph
from sartor.tables.operator import Operator

from .oracle import Array, evaluate
from .test_writers import delegated_and_kinds, operators, with_weights

TOLERANCE = {"float16": 4e-3, "int8": 4e-2}
"""Of the range that the result may have; int8 has 255 steps, on either side of an operator."""


def standard_inputs(graph: Graph, batch: int = 1) -> dict[str, Array]:
    rng = np.random.default_rng(5)
    return {
        name: rng.standard_normal((batch, *shape), np.float32).clip(-INPUT_LIMIT, INPUT_LIMIT)
        for name, shape in graph.inputs
    }


def run_litert(content: bytes, inputs: Mapping[str, Array]) -> Array:
    """Run a TFLite model; integers are made and read by what the file says they mean."""
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    for detail in interpreter.get_input_details():
        values = inputs[detail["name"]].transpose(0, 2, 3, 1)
        if detail["dtype"] == np.int8:
            scale, zero = detail["quantization"]
            values = np.clip(np.round(values / scale) + zero, -128, 127).astype(np.int8)
        interpreter.set_tensor(detail["index"], values)
    interpreter.invoke()
    (detail,) = interpreter.get_output_details()
    result = interpreter.get_tensor(detail["index"])
    if detail["dtype"] == np.int8:
        scale, zero = detail["quantization"]
        result = (result.astype(np.float32) - zero) * np.float32(scale)
    return np.asarray(result if result.ndim == 2 else result.transpose(0, 3, 1, 2), np.float32)


def optimised(content: bytes, path: Path | None = None) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    if path:
        options.optimized_model_filepath = str(path)
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def run_onnxruntime(content: bytes, inputs: Mapping[str, Array]) -> Array:
    """Run an ONNX model; integers are made and read by what the file says they mean."""
    proto = onnx.load_from_string(content)
    stored = {one.name: onnx.numpy_helper.to_array(one) for one in proto.graph.initializer}
    session = optimised(content)
    feeds = {}
    for value in session.get_inputs():
        values = inputs[value.name]
        if value.type == "tensor(uint8)":
            step, zero = stored[f"{value.name}/step"], stored[f"{value.name}/zero"]
            values = np.clip(np.round(values / step) + zero, 0, 255).astype(np.uint8)
        feeds[value.name] = values.astype(np.float16) if "16" in value.type else values
    (result,) = session.run(None, feeds)
    if result.dtype == np.uint8:
        name = session.get_outputs()[0].name
        result = (result.astype(np.float32) - stored[f"{name}/zero"]) * stored[f"{name}/step"]
    return np.asarray(result, np.float32)


def check_close(graph: Graph, dtype: str, batch: int) -> None:
    """Both runtimes compute nearly what torch does in float32."""
    inputs = standard_inputs(graph, batch)
    want = evaluate(graph, graph.weights, inputs)
    low, high = activation_ranges(graph, graph.weights)[graph.output]
    converted = graph_with_dtype(graph, dtype)
    for got in (
        run_litert(tflite_bytes(converted, batch), inputs),
        run_onnxruntime(onnx_bytes(converted, batch), inputs),
    ):
        assert got.shape == want.shape
        # Now and then a value is beyond what the range holds, and then eight bits saturate.
        difference = np.abs(got.clip(low, high) - want.clip(low, high))
        assert difference.max() <= TOLERANCE[dtype] * (high - low)


@settings(max_examples=60)
@given(operators())
@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_an_operator_computes_nearly_the_same(dtype: str, operator: Operator) -> None:
    check_close(with_weights(single_operator_graph(operator)), dtype, batch=2)


@pytest.fixture(scope="module")
def network() -> Graph:
    spec = MobileNetV3(classes=10, resolutions=(64,))
    return with_weights(spec.graph(spec.space.smallest))


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_a_network_computes_nearly_the_same(network: Graph, dtype: str) -> None:
    check_close(network, dtype, batch=1)
    check_close(with_weights(reference_graph()), dtype, batch=1)


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_the_same_graph_gives_the_same_bytes(dtype: str) -> None:
    graph = graph_with_dtype(reference_graph(), dtype)
    assert tflite_bytes(graph) == tflite_bytes(graph)
    assert onnx_bytes(graph) == onnx_bytes(graph)


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_onnx_passes_the_checker(network: Graph, dtype: str) -> None:
    model = onnx.load_from_string(onnx_bytes(graph_with_dtype(network, dtype)))
    onnx.checker.check_model(model, full_check=True)
    assert model.graph.output[0].name == network.output


def test_half_precision_halves_the_file_and_runs_on_xnnpack(network: Graph) -> None:
    content = tflite_bytes(graph_with_dtype(network, "float16"))
    assert len(content) < 0.6 * len(tflite_bytes(network))
    fully, kinds = delegated_and_kinds(content)
    assert fully
    assert kinds["DEQUANTIZE"] > 0
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    (metadata,) = model.metadata
    assert metadata.name == b"reduced_precision_support"
    assert model.buffers[metadata.buffer].data.tobytes() == b"fp16accfp16"
    stored = {tensor.type for tensor in model.subgraphs[0].tensors if tensor.buffer}
    assert stored == {schema.TensorType.FLOAT16, schema.TensorType.INT32}


def test_eight_bits_hold_nothing_else(network: Graph) -> None:
    content = tflite_bytes(graph_with_dtype(network, "int8"))
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    (subgraph,) = model.subgraphs
    assert {t.type for t in subgraph.tensors} == {schema.TensorType.INT8, schema.TensorType.INT32}
    kernels = [t for t in subgraph.tensors if t.name.endswith(b"weight")]
    for tensor in kernels:
        quantisation = tensor.quantization
        channels = tensor.shape[quantisation.quantizedDimension]
        assert len(quantisation.scale) == channels
        assert not np.any(quantisation.zeroPoint)


def test_litert_delegates_all_of_eight_bits_but_hard_swish(network: Graph) -> None:
    _, kinds = delegated_and_kinds(tflite_bytes(graph_with_dtype(network, "int8")))
    interpreter = Interpreter(
        model_content=tflite_bytes(graph_with_dtype(network, "int8")), num_threads=1
    )
    interpreter.allocate_tensors()
    delegated = [one for one in interpreter._get_ops_details() if one["op_name"] == "DELEGATE"]
    assert len(delegated) == kinds["HARD_SWISH"] + 1


def test_onnx_runtime_merges_eight_bits_into_integer_operators(
    network: Graph, tmp_path: Path
) -> None:
    optimised(onnx_bytes(graph_with_dtype(network, "int8")), tmp_path / "optimised.onnx")
    kinds = Counter(node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node)
    wanted = Counter(node.operator.kind for node in network.nodes)
    convolutions = wanted["conv2d"] + wanted["depthwise_conv2d"] + 2 * wanted["squeeze_excite"]
    assert kinds["QLinearConv"] == convolutions
    assert kinds["QLinearAdd"] == wanted["add"]
    assert kinds["QLinearMul"] == wanted["squeeze_excite"]
    assert kinds["QGemm"] == wanted["dense"]
    assert kinds["Conv"] == kinds["Add"] == kinds["Gemm"] == 0


def test_half_precision_is_cast_at_the_ends_only_where_it_is_not_computed_in(
    network: Graph, tmp_path: Path
) -> None:
    optimised(onnx_bytes(graph_with_dtype(network, "float16")), tmp_path / "optimised.onnx")
    kinds = Counter(node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node)
    assert kinds["Cast"] <= 2  # so operators have to be measured in frames


def test_ranges_hold_what_a_network_computes(network: Graph) -> None:
    ranges = activation_ranges(network, network.weights)
    inputs = standard_inputs(network)
    for count in (1, 10, 40, len(network.nodes)):
        part = Graph("part", network.inputs, network.nodes[:count])
        weights = {name: network.weights[name] for name in part.weight_shapes}
        values = evaluate(part, weights, inputs)
        low, high = ranges[part.output]
        assert low <= 0 <= high
        width = high - low
        assert low - 0.1 * width <= values.min() <= values.max() <= high + 0.1 * width
        assert values.max() - values.min() > 0.5 * width  # and they are not far too wide


def test_a_graph_of_two_data_types_is_refused() -> None:
    first, second, *others = reference_graph().nodes
    mixed = Node(
        second.name,
        Operator.parse(str(second.operator).replace("float32", "int8")),
        second.inputs,
    )
    graph = Graph("mixed", reference_graph().inputs, (first, mixed, *others))
    for write in (tflite_bytes, onnx_bytes):
        with pytest.raises(GraphError, match=r"one data type .* not of float32 and int8"):
            write(graph)
