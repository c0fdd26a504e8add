from __future__ import annotations

import pytest
from hypothesis import given

from sartor.tables.dtypes import common_dtype, graph_with_dtype, with_dtype
from sartor.tables.errors import FormatError, GraphError
from sartor.tables.framing import framing, subject_graph
from sartor.tables.graph import GraphBuilder
from sartor.tables.operator import DTYPES, Operator
from sartor.tables.subject import Frame, Framed

from .strategies import operators

ADD = Operator.parse("add/24x8x8,24x8x8/-/none/float32")


@given(operators())
def test_conversion_changes_the_data_type_only_and_can_be_undone(operator: Operator) -> None:
    for dtype in DTYPES:
        converted = with_dtype(operator, dtype)
        assert converted.dtype == dtype
        assert Operator.parse(str(converted)) == converted
        assert with_dtype(converted, operator.dtype) == operator


def test_an_unknown_data_type_is_refused() -> None:
    with pytest.raises(FormatError):
        with_dtype(ADD, "float64")


def test_a_graph_is_converted_whole() -> None:
    builder = GraphBuilder("g", (3, 8, 8))
    builder.add("b", "global_average_pool", builder.add("a", "global_average_pool", "input"))
    converted = graph_with_dtype(builder.graph(), "int8")
    assert common_dtype(converted.operators) == "int8"
    assert graph_with_dtype(converted, "float32") == builder.graph()


def test_what_has_no_common_data_type_is_told() -> None:
    with pytest.raises(GraphError, match="not of float32 and int8"):
        common_dtype([ADD, with_dtype(ADD, "int8")])
    with pytest.raises(GraphError, match="not of none"):
        common_dtype([])


@pytest.mark.parametrize("dtype", DTYPES)
def test_neighbours_are_of_the_operator_s_data_type(dtype: str) -> None:
    operator = with_dtype(ADD, dtype)
    framed = framing(operator)
    for part in (framed.whole, *framed.parts):
        assert common_dtype(subject_graph(part).operators) == dtype
    assert operator in subject_graph(Framed(operator)).operators
    assert common_dtype(subject_graph(Frame((24, 8, 8)), dtype).operators) == dtype
