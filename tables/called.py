"""Calls: what a model of one operator pays for being run at all, taken off its latency.

A runtime enters an inference, copies an input, and leaves again. A network pays for that once, and
so does every model of one operator: 2 µs with LiteRT and 9 µs with ONNX Runtime (extended) on an
x86 server, 3 and 7 % of sums over 60–80 operators (docs/measuring.md). Handing out the work of an
operator is another matter: networks pay for that as often as they have operators. So two models of
next to no work (``subject.Call``) are timed among the others, of one operator and of many, and what
the first takes beyond one more operator is taken off operators and blocks that were measured alone.
In a difference between two models (``difference``) it cancels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .measurement import Measurement, interval, relative_half_width
from .subject import Call, Subject

CALLS = SHORT_CALL, LONG_CALL = Call(), Call(9)
"""Models that are timed to tell what a call takes."""


def call_ms(measurements: Mapping[Subject, Measurement]) -> float | None:
    """Return what any model takes to be run, besides its operators, in milliseconds.

    Where the long one was not timed, as in older tables, it includes one operator; None where
    neither was.
    """
    short, long = measurements.get(SHORT_CALL), measurements.get(LONG_CALL)
    if short is None:
        return None
    if long is None:
        return short.median_ms
    further = LONG_CALL.operators - SHORT_CALL.operators
    operator_ms = (long.median_ms - short.median_ms) / further
    return min(max(0.0, short.median_ms - operator_ms), short.median_ms)


@dataclass(frozen=True, slots=True)
class Called:
    """What an operator takes beyond a call.

    The call is one constant for all operators, so it is not taken pass by pass: a pass that comes
    later, for operators that are not steady yet, does not time it again.

    Attributes:
        measurement: of the model of one operator.
        call_ms: what any model takes, in milliseconds.
    """

    measurement: Measurement
    call_ms: float

    @property
    def source(self) -> str:
        """Where it comes from: ``measured``."""
        return "measured"

    @property
    def sample_count(self) -> int:
        """How many inferences were timed."""
        return self.measurement.sample_count

    @property
    def window_medians_ms(self) -> NDArray[np.float64]:
        """One latency per pass: (passes,)."""
        return self.measurement.window_medians_ms - self.call_ms

    @property
    def median_ms(self) -> float:
        """The latency in milliseconds: the median over passes."""
        return self.measurement.median_ms - self.call_ms

    def interval_ms(self, level: float = 0.95) -> tuple[float, float] | None:
        """Return the confidence interval of the latency, as ``Measurement.interval_ms`` does."""
        return interval(self.median_ms, self.window_medians_ms, level)

    @property
    def relative_error(self) -> float:
        """Half-width of the 95 % confidence interval over the latency of operator and call.

        Relative to the operator alone it would grow without bound as the work gets less.
        """
        return relative_half_width(self.window_medians_ms, self.measurement.median_ms)
