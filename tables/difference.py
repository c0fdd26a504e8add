"""Differences: latencies of operators that were measured in a frame."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .framing import framing
from .measurement import Measurement, interval, relative_half_width
from .operator import Operator
from .subject import Subject


@dataclass(frozen=True, slots=True)
class Difference:
    """What an operator adds to its frame (``framing``).

    All parts of a difference are taken from one pass, so from one process, and each pass counts as
    one observation. An operator that a runtime merges into its neighbour adds nothing, and noise
    may make that a little less than nothing.

    Attributes:
        whole: the operator in its frame.
        parts: what is subtracted, each with its weight.
    """

    whole: Measurement
    parts: tuple[tuple[float, Measurement], ...]

    @property
    def window_medians_ms(self) -> NDArray[np.float64]:
        """One difference per pass that measured all parts: (passes,)."""
        parts = [(weight, _by_pass(part)) for weight, part in self.parts]
        return np.array(
            [
                median_ms - math.fsum(weight * medians[index] for weight, medians in parts)
                for index, median_ms in _by_pass(self.whole).items()
                if all(index in medians for _, medians in parts)
            ]
        )

    @property
    def median_ms(self) -> float:
        """The latency: the median over passes, or of the parts where no pass has them all."""
        medians = self.window_medians_ms
        if len(medians):
            return float(np.median(medians))
        subtracted = (weight * part.median_ms for weight, part in self.parts)
        return self.whole.median_ms - math.fsum(subtracted)

    @property
    def source(self) -> str:
        """Where it comes from: ``framed``."""
        return "framed"

    @property
    def sample_count(self) -> int:
        """How many inferences of the operator in its frame were timed."""
        return self.whole.sample_count

    def interval_ms(self, level: float = 0.95) -> tuple[float, float] | None:
        """Return the confidence interval of the latency, as ``Measurement.interval_ms`` does."""
        return interval(self.median_ms, self.window_medians_ms, level)

    @property
    def relative_error(self) -> float:
        """Half-width of the 95 % confidence interval over the latency of operator and frame.

        Relative to the operator alone it would grow without bound where a runtime merges the
        operator into its neighbour.
        """
        return relative_half_width(self.window_medians_ms, self.whole.median_ms)


def difference(
    operator: Operator, measurements: Mapping[Subject, Measurement]
) -> Difference | None:
    """Find an operator's latency among measurements; None where a part is missing."""
    framed = framing(operator)
    if framed.whole not in measurements or any(part not in measurements for part in framed.parts):
        return None
    return Difference(
        measurements[framed.whole],
        tuple((weight, measurements[part]) for part, weight in framed.parts.items()),
    )


def _by_pass(measurement: Measurement) -> dict[int, float]:
    indices = (window.pass_index for window in measurement.windows)
    return dict(zip(indices, measurement.window_medians_ms.tolist(), strict=True))
