from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.tables import Operator
from sartor.tables.errors import MissingOperatorError
from sartor.tables.lookup import nearest, operator_ms, sum_ms

from .strategies import operators


def conv2d(out: int, kernel: int = 1, activation: str = "none") -> Operator:
    attributes = (("kernel", kernel), ("out", out), ("stride", 1))
    return Operator("conv2d", ((8, 14, 14),), attributes, activation)


POOL = Operator("global_average_pool", ((8, 14, 14),))
ROWS = {conv2d(16): 1.0, conv2d(32): 2.0, conv2d(512): 3.0, POOL: 0.5}


def test_a_missing_row_names_its_neighbours_and_what_to_run() -> None:
    with pytest.raises(MissingOperatorError) as caught:
        operator_ms(ROWS, conv2d(24))
    assert caught.value.near == tuple(map(str, (conv2d(32), conv2d(16), conv2d(512))))
    assert f"no latency for {conv2d(24)} (nearest: {conv2d(32)}, " in str(caught.value)
    assert f"measure it with: sartor profile --op '{conv2d(24)}'" in str(caught.value)


def test_a_row_that_failed_says_why() -> None:
    with pytest.raises(MissingOperatorError, match="because measuring it failed: out of memory"):
        operator_ms(ROWS, conv2d(24), {conv2d(24): "out of memory"})


def test_an_empty_table_has_no_neighbours() -> None:
    with pytest.raises(MissingOperatorError, match=r"\(nearest: none\)"):
        sum_ms({}, [POOL])


def test_repeated_operators_count_every_time() -> None:
    assert sum_ms(ROWS, [conv2d(16), conv2d(16), POOL]) == 2.5
    assert sum_ms(ROWS, []) == 0


def test_the_activation_matters_less_than_the_size() -> None:
    relu = conv2d(16, activation="relu")
    assert nearest(ROWS, relu, 2) == [conv2d(16), conv2d(32)]


@given(st.lists(operators(), unique=True), operators())
def test_the_same_kind_comes_first(known: list[Operator], operator: Operator) -> None:
    found = nearest(known, operator, len(known))
    assert sorted(found) == sorted(known)
    same = [other.kind == operator.kind for other in found]
    assert same == sorted(same, reverse=True)
    if operator in known:
        assert found[0] == operator
