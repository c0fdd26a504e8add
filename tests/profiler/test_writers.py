from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile

import hypothesis.strategies as st
import numpy as np
import onnx
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given, settings

from sartor.profiler.agent.torch_model import _TorchModel
from sartor.profiler.writers.onnx import onnx_bytes
from sartor.profiler.writers.tflite import tflite_bytes
from sartor.profiler.writers.torch_graph import torch_bytes
from sartor.profiler.writers.weights import random_weights
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.tables.errors import GraphError
from sartor.tables.graph import Graph, single_operator_graph
from sartor.tables.kinds import KINDS
from sartor.tables.operator import ACTIVATIONS, Operator, Shape

from .oracle import Array, evaluate, relative_difference

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
TOLERANCE = 1e-4
LAYOUTS = (torch.contiguous_format, torch.channels_last)


@st.composite
def operators(draw: st.DrawFn) -> Operator:
    kind = draw(st.sampled_from([name for name in sorted(KINDS) if not KINDS[name].parts]))
    size = st.integers(1, 13)
    shape: Shape = (draw(st.integers(1, 20)), draw(size), draw(size))
    values = {
        "kernel": st.sampled_from([1, 3, 5, 7]),
        "middle": st.integers(1, 9),
        "out": st.integers(1, 20),
        "stride": st.integers(1, 3),
        "window": st.integers(1, 3),
    }
    drawn = {name: draw(values[name]) for name in KINDS[kind].attributes}
    if kind == "max_pool":
        drawn["stride"] = min(drawn["stride"], drawn["kernel"])
    if kind == "average_pool" and drawn["window"] == 3:
        shape = (shape[0], *(size + (size % 3 == 1) for size in shape[1:]))
    attributes = tuple(drawn.items())
    allowed = ("relu", "relu6") if kind == "max_pool" else ACTIVATIONS
    activation = draw(st.sampled_from(allowed))
    return Operator(kind, (shape,) * len(KINDS[kind].ranks), attributes, activation)


def with_weights(graph: Graph, seed: int = 3) -> Graph:
    return Graph(graph.name, graph.inputs, graph.nodes, random_weights(graph, seed))


def random_inputs(graph: Graph, batch: int) -> dict[str, Array]:
    rng = np.random.default_rng(5)
    return {
        name: 3 * rng.standard_normal((batch, *shape), np.float32) for name, shape in graph.inputs
    }


def run_litert(content: bytes, inputs: Mapping[str, Array]) -> Array:
    interpreter = Interpreter(model_content=content, num_threads=1)
    (result,) = interpreter.get_signature_runner("serving_default")(
        **{name: x.transpose(0, 2, 3, 1) for name, x in inputs.items()}
    ).values()
    return np.asarray(result if result.ndim == 2 else result.transpose(0, 3, 1, 2))


def run_onnxruntime(content: bytes, inputs: Mapping[str, Array]) -> Array:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return np.asarray(onnxruntime.InferenceSession(content, options).run(None, dict(inputs))[0])


@settings(max_examples=150, deadline=None)
@given(operators(), st.integers(1, 3))
def test_an_operator_computes_the_same_in_both_runtimes_as_in_torch(
    operator: Operator, batch: int
) -> None:
    graph = with_weights(single_operator_graph(operator))
    inputs = random_inputs(graph, batch)
    want = evaluate(graph, graph.weights, inputs)
    assert relative_difference(run_litert(tflite_bytes(graph, batch), inputs), want) <= TOLERANCE
    assert relative_difference(run_onnxruntime(onnx_bytes(graph, batch), inputs), want) <= TOLERANCE


@pytest.mark.parametrize("write", [tflite_bytes, onnx_bytes, torch_bytes])
def test_a_block_is_refused_with_what_it_is_made_of(write: Callable[[Graph], bytes]) -> None:
    block = Operator.parse(
        "mbconv/8x7x7/expand=24,kernel=3,out=8,se=0,skip=1,stride=1/relu/float32"
    )
    with pytest.raises(GraphError, match=r"takes no block, and mbconv/.* made of: conv2d/8x7x7"):
        write(single_operator_graph(block))


def run_torch(content: bytes, inputs: Mapping[str, Array], layout: torch.memory_format) -> Array:
    """Run a graph as the agent does, on any number of inputs."""
    with NamedTemporaryFile() as file, torch.inference_mode():
        file.write(content)
        file.flush()
        model = _TorchModel(torch, Path(file.name), "cpu", layout)
        for name, tensor in model._inputs.items():
            tensor.copy_(torch.from_numpy(inputs[name]))
        model.refresh()
        return np.asarray(model._compute().numpy())


@settings(max_examples=100)
@given(operators(), st.integers(1, 3), st.sampled_from(LAYOUTS))
def test_an_operator_computes_in_the_agent_what_it_computes_here(
    operator: Operator, batch: int, layout: torch.memory_format
) -> None:
    graph = with_weights(single_operator_graph(operator))
    inputs = random_inputs(graph, batch)
    want = evaluate(graph, graph.weights, inputs)
    got = run_torch(torch_bytes(graph, batch), inputs, layout)
    assert relative_difference(got, want) <= TOLERANCE


@pytest.fixture(scope="module")
def network() -> Graph:
    spec = MobileNetV3(classes=10, resolutions=(80, 96, 144))
    (subnetwork,) = spec.space.random(1, np.random.default_rng(1))
    return with_weights(spec.graph(tuple(map(int, subnetwork))))


def test_a_network_computes_the_same_in_both_runtimes_as_in_torch(network: Graph) -> None:
    inputs = random_inputs(network, 1)
    want = evaluate(network, network.weights, inputs)
    assert relative_difference(run_litert(tflite_bytes(network), inputs), want) <= TOLERANCE
    assert relative_difference(run_onnxruntime(onnx_bytes(network), inputs), want) <= TOLERANCE


def test_the_same_graph_gives_the_same_bytes(network: Graph) -> None:
    assert tflite_bytes(network) == tflite_bytes(network)
    assert onnx_bytes(network) == onnx_bytes(network)
    assert torch_bytes(network) == torch_bytes(network)


def test_graphs_without_weights_get_the_same_random_ones(network: Graph) -> None:
    bare = Graph(network.name, network.inputs, network.nodes)
    assert tflite_bytes(bare) == tflite_bytes(bare)
    assert onnx_bytes(bare) == onnx_bytes(with_weights(network, seed=0))


def test_onnx_passes_the_checker_and_keeps_names(network: Graph) -> None:
    model = onnx.load_from_string(onnx_bytes(network, batch=4))
    onnx.checker.check_model(model, full_check=True)
    assert [value.name for value in model.graph.input] == ["input"]
    assert [value.name for value in model.graph.output] == [network.output]
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 4


def test_tflite_names_its_inputs_and_output(network: Graph) -> None:
    signatures = Interpreter(model_content=tflite_bytes(network)).get_signature_list()
    assert signatures == {"serving_default": {"inputs": ["input"], "outputs": [network.output]}}


def delegated_and_kinds(content: bytes) -> tuple[bool, Counter[str]]:
    """Whether XNNPACK computes the output straight from the input, and the operators written."""
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    operators = interpreter._get_ops_details()
    delegates = [op for op in operators if op["op_name"] == "DELEGATE"]
    fully = (
        len(delegates) == 1
        and [d["index"] for d in interpreter.get_output_details()] == list(delegates[0]["outputs"])
        and {d["index"] for d in interpreter.get_input_details()} <= set(delegates[0]["inputs"])
    )
    return fully, Counter(op["op_name"] for op in operators if op["op_name"] != "DELEGATE")


def test_a_network_runs_fully_on_xnnpack_without_a_transpose(network: Graph) -> None:
    fully, kinds = delegated_and_kinds(tflite_bytes(network))
    assert fully
    assert kinds["TRANSPOSE"] == kinds["RESHAPE"] == 0
    assert kinds["PAD"] <= 5


@settings(max_examples=60, deadline=None)
@given(operators())
def test_an_operator_runs_fully_on_xnnpack(operator: Operator) -> None:
    fully, _ = delegated_and_kinds(tflite_bytes(single_operator_graph(operator)))
    assert fully


def test_stored_values_are_aligned_to_sixteen_bytes(network: Graph) -> None:
    content = tflite_bytes(network)
    weights = network.weights["classifier.weight"]
    assert content.index(weights.tobytes()) % 16 == 0
