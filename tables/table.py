"""Latency tables: what was measured on one device under one condition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain

from . import lookup
from .calibration import Calibration, Prediction, calibrate
from .measurement import Measurement, Window, reference_level_us
from .operator import Operator
from .provenance import Provenance
from .subject import Network, Subject


@dataclass(frozen=True, slots=True)
class NetworkMeasurement:
    """A whole network that was measured together with its operators."""

    network: Network
    measurement: Measurement


@dataclass(frozen=True)
class LatencyTable:
    """Latencies of operators, with all their samples and the circumstances.

    Attributes:
        name: in the store.
        provenance: circumstances, the same for every row.
        rows: by operator.
        networks: whole networks of the same run, which calibrate predictions.
        failures: why something could not be measured.
    """

    name: str
    provenance: Provenance
    rows: Mapping[Operator, Measurement]
    networks: tuple[NetworkMeasurement, ...] = ()
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
        rows: dict[Operator, Measurement] = {}
        networks = []
        if timed:
            level_us = reference_level_us(chain.from_iterable(timed.values()))
            for subject, found in timed.items():
                measurement = Measurement(found, level_us)
                if isinstance(subject, Network):
                    networks.append(NetworkMeasurement(subject, measurement))
                else:
                    rows[subject] = measurement
        return cls(name, provenance, rows, tuple(networks), failures)

    @property
    def windows(self) -> Mapping[Subject, tuple[Window, ...]]:
        """Every subject's windows: with the failures, all that ``from_windows`` needs."""
        operators: dict[Subject, tuple[Window, ...]] = {
            operator: row.windows for operator, row in self.rows.items()
        }
        return operators | {whole.network: whole.measurement.windows for whole in self.networks}

    @cached_property
    def latencies_ms(self) -> Mapping[Operator, float]:
        """Every operator's latency in milliseconds."""
        return {operator: row.median_ms for operator, row in self.rows.items()}

    @cached_property
    def calibration(self) -> Calibration:
        """The factor from sums to networks, by the networks whose operators all have a row."""
        return calibrate(
            [
                (self.sum_ms(whole.network.operators), whole.measurement.median_ms)
                for whole in self.networks
                if all(operator in self.rows for operator in whole.network.operators)
            ]
        )

    def latency_ms(self, operator: Operator) -> float:
        """Return one operator's latency in milliseconds; MissingOperatorError without a row."""
        return lookup.operator_ms(self.latencies_ms, operator, self.failures)

    def sum_ms(self, operators: Iterable[Operator]) -> float:
        """Sum the latencies of operators that run one after another, in milliseconds."""
        return lookup.sum_ms(self.latencies_ms, operators, self.failures)

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
