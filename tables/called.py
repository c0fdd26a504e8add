"""Calls: what a model of one operator pays for being run at all, taken off its latency.

A runtime enters an inference, hands out work, copies an input and leaves again. A network pays for
that once, and so does every model of one operator: 3.8 µs with LiteRT and 13.7 µs with ONNX Runtime
(extended) on an x86 server, which made plain sums over 60–80 operators 8–12 % too high
(docs/measuring.md). So a model of next to no work (``subject.Call``) is timed among the others, and
its latency is taken off those of operators and blocks that were measured alone. In a difference
between two models (``difference``) it cancels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .measurement import Measurement, interval, relative_half_width


@dataclass(frozen=True, slots=True)
class Called:
    """What an operator takes beyond a call.

    The call is one constant for all operators, so it is not taken pass by pass: a pass that comes
    later, for operators that are not steady yet, does not time it again. An operator of less work
    still comes out a little below nothing: with ONNX Runtime (extended), where a small dense layer
    takes longer than a small addition, 18 rows of 740 did, by up to 4 µs.

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
