"""Latency tables: what was measured on one device under one condition."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain

from . import lookup
from .calibration import Calibration, Prediction, calibrate
from .difference import Difference, difference
from .measurement import Measurement, Window, reference_level_us
from .operator import Operator
from .provenance import Provenance
from .subject import Framed, Network, Subject


@dataclass(frozen=True, slots=True)
class NetworkMeasurement:
    """A whole network that was measured together with its operators."""

    network: Network
    measurement: Measurement


Row = Measurement | Difference
"""An operator measured by itself, or in a frame."""


@dataclass(frozen=True)
class LatencyTable:
    """Latencies of operators, with all their samples and the circumstances.

    Attributes:
        name: in the store.
        provenance: circumstances, the same for every row.
        measurements: of everything, corrected to one common level of the machine.
        failures: why something could not be measured.
    """

    name: str
    provenance: Provenance
    measurements: Mapping[Subject, Measurement]
    failures: Mapping[Subject, str] = field(default_factory=dict)

    @classmethod
    def from_windows(
        cls,
        name: str,
        provenance: Provenance,
        windows: Mapping[Subject, Sequence[Window]],
        failures: Mapping[Subject, str],
    ) -> LatencyTable:
        """Build a table from all its windows, corrected to one common level of the machine."""
        timed = {subject: tuple(found) for subject, found in windows.items() if found}
        if not timed:
            return cls(name, provenance, {}, failures)
        level_us = reference_level_us(chain.from_iterable(timed.values()))
        measurements = {subject: Measurement(found, level_us) for subject, found in timed.items()}
        return cls(name, provenance, measurements, failures)

    @property
    def windows(self) -> Mapping[Subject, tuple[Window, ...]]:
        """Every subject's windows: with the failures, all that ``from_windows`` needs."""
        return {subject: found.windows for subject, found in self.measurements.items()}

    @cached_property
    def rows(self) -> Mapping[Operator, Row]:
        """Every operator's latency with its samples, in its frame where it was measured in one."""
        rows: dict[Operator, Row] = {}
        for subject, measurement in self.measurements.items():
            if isinstance(subject, Operator):
                rows.setdefault(subject, measurement)
            elif isinstance(subject, Framed):
                found = difference(subject.operator, self.measurements)
                if found is not None:
                    rows[subject.operator] = found
        return rows

    @cached_property
    def networks(self) -> tuple[NetworkMeasurement, ...]:
        """Whole networks of the same run, which calibrate predictions."""
        return tuple(
            NetworkMeasurement(subject, measurement)
            for subject, measurement in self.measurements.items()
            if isinstance(subject, Network)
        )

    @cached_property
    def latencies_ms(self) -> Mapping[Operator, float]:
        """Every operator's latency in milliseconds."""
        return {operator: row.median_ms for operator, row in self.rows.items()}

    @cached_property
    def calibration(self) -> Calibration:
        """From sums to networks, by the networks whose operators all have a row."""
        return calibrate(
            [
                (self.sum_ms(whole.network.operators), whole.measurement.median_ms)
                for whole in self.networks
                if all(operator in self.rows for operator in whole.network.operators)
            ]
        )

    def without(self, subjects: Collection[Subject]) -> LatencyTable:
        """Return the table as if some subjects had not been measured."""
        kept = {
            subject: found
            for subject, found in self.measurements.items()
            if subject not in subjects
        }
        return replace(self, measurements=kept)

    @cached_property
    def _reasons(self) -> Mapping[Subject, str]:
        """Why there is no row: the failures, those of framed operators under the operator, too."""
        framed = {
            subject.operator: why
            for subject, why in self.failures.items()
            if isinstance(subject, Framed)
        }
        return dict(self.failures) | framed

    def latency_ms(self, operator: Operator) -> float:
        """Return one operator's latency in milliseconds; MissingOperatorError without a row."""
        return lookup.operator_ms(self.latencies_ms, operator, self._reasons)

    def sum_ms(self, operators: Iterable[Operator]) -> float:
        """Sum the latencies of operators that run one after another, in milliseconds."""
        return lookup.sum_ms(self.latencies_ms, operators, self._reasons)

    def predict(self, operators: Iterable[Operator]) -> Prediction:
        """Predict the latency of the network that runs these operators one after another."""
        return self.calibration.predict(self.sum_ms(operators))


@dataclass(frozen=True, slots=True)
class TableSummary:
    """What a store holds under one name, without the samples.

    Attributes:
        name: of the table.
        provenance: circumstances of every number in it.
        operators: how many operators were measured.
        networks: how many whole networks were measured.
        failures: how many subjects could not be measured.
        windows: how many windows there are in all.
    """

    name: str
    provenance: Provenance
    operators: int
    networks: int
    failures: int
    windows: int
