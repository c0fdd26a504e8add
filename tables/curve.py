"""Curves: growing functions through the origin, as straight pieces between knots."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import FormatError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Curve:
    """A function that never falls; outside its knots it is proportional to its argument.

    Attributes:
        knots: positive and rising.
        values: at each of them, positive and never falling.

    Raises:
        FormatError: knots or values are none of that.
    """

    knots: tuple[float, ...] = (1.0,)
    values: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        knots, values = np.array(self.knots), np.array(self.values)
        if not (
            knots.shape == values.shape
            and len(knots)
            and np.all(np.isfinite([knots, values]))
            and min(knots[0], values[0]) > 0
            and np.all(np.diff(knots) > 0)
            and np.all(np.diff(values) >= 0)
        ):
            raise FormatError("a curve takes rising knots, and as many values that never fall")

    def __call__(self, arguments: Floats) -> Floats:
        """Evaluate each of (…) arguments by itself, wherever it stands."""
        knots, values = np.array(self.knots), np.array(self.values)
        between: Floats = np.interp(arguments, knots, values)
        first, last = values[0] / knots[0], values[-1] / knots[-1]
        below = np.where(arguments < knots[0], first * arguments, between)
        return np.where(arguments > knots[-1], last * arguments, below)

    def at(self, argument: float) -> float:
        """Evaluate one argument."""
        return float(self(np.array(argument)))
