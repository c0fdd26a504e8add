from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.lib.stride_tricks import sliding_window_view

from sartor.tables import KINDS, Operator, kind_of, multiply_adds, output_shape
from sartor.tables.errors import GraphError, UnknownNameError

from .strategies import operators


@given(operators())
def test_every_kind_has_a_positive_shape_and_plausible_work(operator: Operator) -> None:
    assert all(size >= 1 for size in output_shape(operator))
    weights = kind_of(operator).weights(operator)
    assert multiply_adds(operator) >= 0
    assert (multiply_adds(operator) > 0) == bool(weights)
    assert all(math.prod(shape) >= 1 for shape in weights.values())


@given(operators().filter(lambda operator: operator.kind.endswith("conv2d")))
@settings(deadline=None)
def test_convolutions_agree_with_windows_that_numpy_slides(operator: Operator) -> None:
    _, height, width = operator.inputs[0]
    kernel, stride = operator["kernel"], operator["stride"]
    padded = np.pad(np.zeros((height, width), np.int8), kernel // 2)
    slid = sliding_window_view(padded, (kernel, kernel))[::stride, ::stride]
    out, *size = output_shape(operator)
    assert tuple(size) == slid.shape[:2]
    weight = kind_of(operator).weights(operator)["weight"]
    assert weight[0] == out
    assert multiply_adds(operator) == math.prod(size) * math.prod(weight)


def test_a_published_layer_has_its_published_cost() -> None:
    """MobileNetV2's first layer: 3×3×3×32 at 112×112 (Sandler et al., CVPR 2018, table 2)."""
    stem = Operator.parse("conv2d/3x224x224/kernel=3,out=32,stride=2/relu6/float32")
    assert output_shape(stem) == (32, 112, 112)
    assert multiply_adds(stem) == 10_838_016


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("conv2d/3x8/kernel=3,out=8,stride=1/none/float32", "ranks"),
        ("conv2d/3x8x8/kernel=3,out=8/none/float32", "attributes"),
        ("conv2d/3x8x8/kernel=2,out=8,stride=1/none/float32", "odd kernels"),
        ("depthwise_conv2d/3x8x8/kernel=4,stride=1/none/float32", "odd kernels"),
        ("add/3x8x8/-/none/float32", "ranks"),
        ("add/3x8x8,3x8x9/-/none/float32", "same shape"),
        ("max_pool/3x8x8/kernel=2,stride=2/relu/float32", "odd kernels"),
        ("max_pool/3x8x8/kernel=3,stride=2/none/float32", "ends in relu or relu6"),
        ("max_pool/3x8x8/kernel=1,stride=2/relu/float32", "stride <= kernel"),
        ("average_pool/3x8x7/window=3/none/float32", "more than one row"),
    ],
)
def test_operators_that_break_the_rule_are_refused(text: str, complaint: str) -> None:
    with pytest.raises(GraphError, match=complaint):
        kind_of(Operator.parse(text))


def test_an_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean 'conv2d'\?"):
        kind_of(Operator.parse("conv2/3x8x8/-/none/float32"))


def test_attributes_of_a_kind_are_sorted() -> None:
    assert all(list(kind.attributes) == sorted(kind.attributes) for kind in KINDS.values())
