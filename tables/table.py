"""Latency tables: what was measured, or published, of one device under one condition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from types import MappingProxyType

from . import lookup
from .calibration import Calibration, Prediction, calibrate
from .errors import MeasurementError
from .measurement import Measurement, Window, reference_level_us
from .operator import Operator
from .provenance import Provenance
from .quotation import Quotation
from .row import Row
from .subject import Network, Subject

_NONE: Mapping[Subject, Quotation] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class NetworkMeasurement:
    """The latency of a whole network, of the same origin as the operators' latencies."""

    network: Network
    measurement: Row


@dataclass(frozen=True)
class LatencyTable:
    """Latencies of operators, with all that is known of them and the circumstances.

    Attributes:
        name: in the store.
        provenance: circumstances, the same for every row.
        rows: by operator.
        networks: whole networks of the same run, which calibrate predictions.
        failures: why something could not be measured.
    """

    name: str
    provenance: Provenance
    rows: Mapping[Operator, Row]
    networks: tuple[NetworkMeasurement, ...] = ()
    failures: Mapping[Subject, str] = field(default_factory=dict)

    @classmethod
    def from_windows(
        cls,
        name: str,
        provenance: Provenance,
        windows: Mapping[Subject, Sequence[Window]],
        failures: Mapping[Subject, str],
        quotations: Mapping[Subject, Quotation] = _NONE,
    ) -> LatencyTable:
        """Build a table from all its windows, corrected to one common level of the machine.

        Args:
            name: of the table.
            provenance: circumstances, the same for every number.
            windows: of each subject that was measured.
            failures: why something could not be measured.
            quotations: of each subject whose latency was published.

        Raises:
            MeasurementError: a subject has both windows and a quotation.
        """
        timed = {subject: tuple(found) for subject, found in windows.items() if found}
        if twice := timed.keys() & quotations.keys():
            raise MeasurementError(
                f"{min(map(str, twice))} was both measured and published; keep them in two tables"
            )
        found: dict[Subject, Row] = dict(quotations)
        if timed:
            level_us = reference_level_us(chain.from_iterable(timed.values()))
            found |= {subject: Measurement(taken, level_us) for subject, taken in timed.items()}
        return cls(
            name,
            provenance,
            {subject: row for subject, row in found.items() if isinstance(subject, Operator)},
            tuple(
                NetworkMeasurement(subject, row)
                for subject, row in found.items()
                if isinstance(subject, Network)
            ),
            failures,
        )

    @property
    def by_subject(self) -> Mapping[Subject, Row]:
        """Every latency that there is: the operators' first, then the networks'."""
        operators: dict[Subject, Row] = dict(self.rows.items())
        return operators | {whole.network: whole.measurement for whole in self.networks}

    @property
    def windows(self) -> Mapping[Subject, tuple[Window, ...]]:
        """The windows of every subject that was measured.

        With ``quotations`` and the failures they are all that ``from_windows`` needs.
        """
        found = self.by_subject.items()
        return {subject: row.windows for subject, row in found if isinstance(row, Measurement)}

    @property
    def quotations(self) -> Mapping[Subject, Quotation]:
        """The latencies that were published, by subject."""
        found = self.by_subject.items()
        return {subject: row for subject, row in found if isinstance(row, Quotation)}

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
                if whole.network.operators
                and all(operator in self.rows for operator in whole.network.operators)
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
        operators: how many operators have a latency.
        networks: how many whole networks have one.
        failures: how many subjects could not be measured.
        windows: how many windows there are in all.
        quotations: how many of the latencies were published, and so have no windows.
    """

    name: str
    provenance: Provenance
    operators: int
    networks: int
    failures: int
    windows: int
    quotations: int = 0
