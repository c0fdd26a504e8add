from __future__ import annotations

import math

import numpy as np
import pytest

from sartor.tables.curve import Curve
from sartor.tables.errors import FormatError


def test_between_knots_it_is_straight_and_beyond_them_proportional() -> None:
    curve = Curve((1.0, 3.0), (2.0, 3.0))
    wanted = [0.0, 1.0, 2.0, 2.5, 3.0, 4.0]
    assert curve(np.array([0.0, 0.5, 1.0, 2.0, 3.0, 4.0])).tolist() == wanted
    assert curve.at(0.5) == 1.0


def test_without_knots_of_its_own_it_changes_nothing() -> None:
    assert Curve()(np.array([[0.3], [7.0]])).tolist() == [[0.3], [7.0]]


@pytest.mark.parametrize(
    ("knots", "values"),
    [
        ((), ()),
        ((1.0,), (1.0, 2.0)),
        ((0.0, 1.0), (1.0, 2.0)),
        ((1.0, 1.0), (1.0, 2.0)),
        ((1.0, 2.0), (2.0, 1.0)),
        ((1.0, 2.0), (0.0, 1.0)),
        ((1.0, math.inf), (1.0, 2.0)),
        ((1.0, 2.0), (1.0, math.nan)),
    ],
)
def test_what_falls_or_is_no_curve_is_refused(
    knots: tuple[float, ...], values: tuple[float, ...]
) -> None:
    with pytest.raises(FormatError, match="rising knots"):
        Curve(knots, values)
