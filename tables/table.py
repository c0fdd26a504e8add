"""Latency tables: what was measured on one device under one condition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from . import lookup
from .calibration import Calibration, Prediction, calibrate
from .measurement import Measurement
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
