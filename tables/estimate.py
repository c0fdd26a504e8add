"""Estimates: latencies of operators that nobody measured on the device."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .calibration import COVERAGE, Calibration
from .curve import Curve
from .errors import MeasurementError
from .operator import Operator
from .student import student_t
from .subject import Network, Subject

_BEYOND = 4.0
"""By which factor the line goes on beyond the largest network that was measured."""

_LEAST = 0.05
"""Of the sum of its operators, every network takes this share at least."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What an operator is likely to take, from tables of other devices and whole networks on this.

    How far a single operator is off, nobody knows: networks tell how far their sums are.

    Attributes:
        median_ms: the estimate, in milliseconds.

    Raises:
        MeasurementError: a number that no operator takes.
    """

    median_ms: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.median_ms) and self.median_ms > 0):
            raise MeasurementError(f"{self.median_ms} ms is no estimate of a latency")

    @property
    def source(self) -> str:
        """Where it comes from: ``transferred``."""
        return "transferred"

    @property
    def sample_count(self) -> int:
        """How many inferences of the operator were timed: none."""
        return 0

    @property
    def window_medians_ms(self) -> NDArray[np.float64]:
        """One latency per pass: none."""
        return np.array([])

    @property
    def relative_error(self) -> float:
        """Half-width of the interval over the latency: not known, so infinite."""
        return math.inf

    def interval_ms(self, level: float = 0.95) -> tuple[float, float] | None:  # noqa: ARG002
        """Return the confidence interval of the latency: None, for it is not known."""
        return None


@dataclass(frozen=True)
class Transfer:
    """How the estimates of a table came about, and how far they were off.

    Attributes:
        known: the tables of other devices, each with its device and condition, for people.
        offset_ms: what every network takes beyond the sum of its operators, in milliseconds;
            mostly negative, for a network that runs again and again finds weights in the caches.
        deviation: standard deviation of typical networks around their predictions, relative.
        operators: the estimates.
        left_out_ms: what the other networks say of each that was measured, in milliseconds: with
            all of the estimates made anew, as if that one had not been measured.

    Raises:
        MeasurementError: a number that no network takes.
    """

    known: tuple[str, ...]
    offset_ms: float
    deviation: float
    operators: Mapping[Operator, Estimate] = field(default_factory=dict)
    left_out_ms: Mapping[Network, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.offset_ms) and 0 <= self.deviation < math.inf):
            raise MeasurementError(
                f"{self.offset_ms} ms and {self.deviation} are no offset and deviation of networks"
            )
        for network, latency_ms in self.left_out_ms.items():
            if not (math.isfinite(latency_ms) and latency_ms > 0):
                raise MeasurementError(f"{latency_ms} ms is no estimate of {network}")

    @classmethod
    def of(
        cls,
        known: Iterable[str],
        offset_ms: float,
        deviation: float,
        latencies_ms: Mapping[Subject, float],
    ) -> Transfer:
        """Put a transfer together from ``latencies_ms`` as below."""
        found = latencies_ms.items()
        return cls(
            tuple(known),
            offset_ms,
            deviation,
            {one: Estimate(ms) for one, ms in found if isinstance(one, Operator)},
            {one: ms for one, ms in found if isinstance(one, Network)},
        )

    @property
    def latencies_ms(self) -> Mapping[Subject, float]:
        """What is said of each operator, and of each network by the others, in milliseconds."""
        found: dict[Subject, float] = dict(self.left_out_ms.items())
        return {one: estimate.median_ms for one, estimate in self.operators.items()} | found

    def calibration(
        self, networks: Mapping[Network, tuple[float, float]], coverage: float = COVERAGE
    ) -> Calibration:
        """Return the line from sums of estimates to networks, and its honest error.

        The estimates were fitted to these very networks, so no curve is fitted again. The errors
        are of networks that their own estimates had not seen. The networks were chosen because they
        differ from each other, so that of a typical one is smaller: the deviation.

        Args:
            networks: sum of operators and measured latency of each, in milliseconds.
            coverage: of the intervals.
        """
        known = {one: pair for one, pair in networks.items() if one in self.left_out_ms}
        if not known:
            return Calibration()
        sums = sorted(sum_ms for sum_ms, _ in known.values())
        reach = 1 + student_t(coverage, len(known)) * self.deviation
        return Calibration(
            middle=self._line(sums, 1.0),
            low=self._line(sums, 1 / reach),
            high=self._line(sums, reach),
            sums_ms=tuple(sums),
            leave_one_out_errors=tuple(
                measured_ms / self.left_out_ms[one] - 1 for one, (_, measured_ms) in known.items()
            ),
            promised=coverage,
        )

    def _line(self, sums: Sequence[float], factor: float) -> Curve:
        """Make the line of factor and offset; where it came near 0 or fell below, it does not."""
        knots = (sums[0], _BEYOND * sums[-1])
        return Curve(
            knots,
            tuple(factor * max(_LEAST * knot, knot + self.offset_ms) for knot in knots),
        )
