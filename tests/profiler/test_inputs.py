"""Inputs of every type: what they hold, and that models with them run in the agent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from sartor.devices import LocalDevice
from sartor.profiler import AgentSession, MeasureJob, Refusal, Timing, find_runtime
from sartor.profiler.agent.inputs import TENSOR_DTYPES, made_up

from .dissect.sketch import Sketch

NUMBERS = sorted(TENSOR_DTYPES.values())
TFLITE_NUMBERS = ("float32", "float16", "int8", "uint8", "int16", "int32", "int64", "bool")


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("dtype", NUMBERS)
def test_values_are_of_the_type_and_always_the_same(dtype: str) -> None:
    values = made_up("x", (50, 20), dtype, rng())
    assert (values.dtype, values.shape) == (np.dtype(dtype), (50, 20))
    assert np.array_equal(values, made_up("x", (50, 20), dtype, rng()))


def test_values_are_such_as_models_take() -> None:
    floats = made_up("x", (1000,), "float32", rng())
    assert np.array_equal(floats, rng().standard_normal(1000, np.float32))
    small = made_up("x", (1000,), "int8", rng())
    assert (small.min(), small.max()) == (-128, 127)
    assert set(made_up("x", (100,), "bool", rng()).tolist()) == {False, True}
    assert not made_up("x", (100,), "int64", rng()).any()
    assert made_up("x", (), "float16", rng()).shape == ()


@pytest.mark.parametrize("shape", [("n", 3), (None, 3), (-1, 3)])
def test_a_shape_that_is_not_known_is_an_error(shape: Sequence[object]) -> None:
    with pytest.raises(ValueError, match="the input x has no fixed shape: "):
        made_up("x", shape, "float32", rng())


@pytest.mark.parametrize("dtype", [None, np.bytes_, np.object_])
def test_what_are_no_numbers_is_an_error(dtype: type | None) -> None:
    with pytest.raises(ValueError, match="the input x holds something else than numbers"):
        made_up("x", (1,), dtype, rng())


def onnx_identity(number: int, shape: Sequence[int | str] = (2, 3)) -> bytes:
    x, y = (helper.make_tensor_value_info(name, number, shape) for name in "xy")
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [x], [y])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    content: bytes = made.SerializeToString()
    return content


def onnx_number(dtype: str) -> int:
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def onnx_nonzero() -> bytes:
    """A model whose output is of a size that only a run tells."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (2, 3))
    y = helper.make_tensor_value_info("y", TensorProto.INT64, (2, "n"))
    graph = helper.make_graph([helper.make_node("NonZero", ["x"], ["y"])], "g", [x], [y])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    content: bytes = made.SerializeToString()
    return content


def tflite_reshape(dtype: str) -> bytes:
    sketch = Sketch()
    a, b = sketch.flow("a", (2, 3), dtype), sketch.flow("b", (6,), dtype)
    shape = sketch.stored("shape", np.array([6], np.int32))
    sketch.operator("RESHAPE", [a, shape], b, "ReshapeOptions")
    return sketch.pack({"a": a}, {"b": b})


def measured(device: LocalDevice, runtime: str, models: Sequence[bytes]) -> list[Timing | Refusal]:
    with AgentSession(device, find_runtime(runtime)) as agent:
        jobs = [MeasureJob(agent.place([model]), 0, 0) for model in models]
        return [answer for (answer,) in agent.measure(jobs)]


def test_onnx_models_with_inputs_of_any_numbers_run(device: LocalDevice) -> None:
    models = [onnx_identity(onnx_number(dtype)) for dtype in NUMBERS]
    for dtype, answer in zip(NUMBERS, measured(device, "onnxruntime", models), strict=True):
        assert isinstance(answer, Timing), dtype


def test_tflite_models_with_inputs_of_any_numbers_run(device: LocalDevice) -> None:
    models = [tflite_reshape(dtype) for dtype in TFLITE_NUMBERS]
    for dtype, answer in zip(TFLITE_NUMBERS, measured(device, "litert", models), strict=True):
        assert isinstance(answer, Timing), dtype


def test_odd_ends_of_models(device: LocalDevice, tmp_path: Path) -> None:
    models = [
        onnx_nonzero(),
        onnx_identity(TensorProto.FLOAT, ()),
        onnx_identity(TensorProto.FLOAT, ("n", 3)),
        onnx_identity(TensorProto.STRING),
    ]
    growing, scalar, open_sizes, text = measured(device, "onnxruntime", models)
    assert isinstance(growing, Timing)
    assert isinstance(scalar, Timing)
    assert isinstance(open_sizes, Refusal)
    assert "the input x has no fixed shape: ['n', 3]" in open_sizes.reason
    assert isinstance(text, Refusal)
    assert "the input x holds something else than numbers" in text.reason
