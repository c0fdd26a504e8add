from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from sartor.tables import Operator
from sartor.tables.errors import FormatError

from .strategies import operators

TEXT = "conv2d/24x56x56/kernel=1,out=72,stride=1/relu/float32"


def test_the_text_is_the_documented_one() -> None:
    attributes = (("kernel", 1), ("out", 72), ("stride", 1))
    assert str(Operator("conv2d", ((24, 56, 56),), attributes, "relu")) == TEXT
    assert str(Operator("add", ((8, 7, 7), (8, 7, 7)))) == "add/8x7x7,8x7x7/-/none/float32"


@given(operators())
def test_text_round_trips(operator: Operator) -> None:
    assert Operator.parse(str(operator)) == operator


@given(st.text())
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        Operator.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace("24x", "0x"),
        TEXT.replace("24x", "024x"),
        TEXT.replace("24x", "-1x"),
        TEXT.replace("relu", "swish"),
        TEXT.replace("float32", "float33"),
        TEXT.replace("kernel=1,out=72", "out=72,kernel=1"),
        TEXT.replace("out=72", "kernel=1"),
        TEXT.replace("conv2d", "Conv2d"),
        TEXT + "\n",
    ],
)
def test_nearly_right_texts_are_refused(text: str) -> None:
    with pytest.raises(FormatError):
        Operator.parse(text)


def test_a_value_is_checked_when_it_is_made() -> None:
    with pytest.raises(FormatError, match="sorted by name"):
        Operator("conv2d", ((3, 8, 8),), (("stride", 1), ("kernel", 3)))
    with pytest.raises(FormatError, match="is not KIND/SHAPES"):
        Operator("conv2d", ((3, 0, 8),))


def test_attributes_are_read_by_name() -> None:
    assert Operator.parse(TEXT)["out"] == 72
    with pytest.raises(KeyError):
        Operator.parse(TEXT)["groups"]
