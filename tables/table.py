"""Latency tables: what was measured, or published, of one device under one condition."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import chain
from types import MappingProxyType

from . import lookup
from .calibration import COVERAGE, Calibration, Prediction
from .called import Called, call_ms
from .difference import difference
from .errors import MeasurementError
from .estimate import Transfer
from .estimator import Estimator, fitted, make_estimators
from .health import BatchHealth
from .measurement import Measurement, Window, reference_level_us
from .operator import Operator
from .provenance import Provenance
from .quotation import Quotation
from .row import Row
from .subject import Framed, Network, Subject

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
        entries: what was measured of each subject, corrected to one common level of the machine,
            or what was published of it.
        failures: why something could not be measured.
        health: how the device was during each batch, in the order in which they were measured.
        transfer: estimates of operators that were not measured, where there are some.
        coverage: of the intervals of predictions; ``COVERAGE`` unless somebody asks for another.
    """

    name: str
    provenance: Provenance
    entries: Mapping[Subject, Measurement | Quotation]
    failures: Mapping[Subject, str] = field(default_factory=dict)
    health: tuple[BatchHealth, ...] = ()
    transfer: Transfer | None = None
    coverage: float = COVERAGE

    @classmethod
    def from_windows(
        cls,
        name: str,
        provenance: Provenance,
        windows: Mapping[Subject, Sequence[Window]],
        failures: Mapping[Subject, str],
        quotations: Mapping[Subject, Quotation] = _NONE,
        health: tuple[BatchHealth, ...] = (),
        transfer: Transfer | None = None,
    ) -> LatencyTable:
        """Build a table from all its windows, corrected to one common level of the machine.

        Args:
            name: of the table.
            provenance: circumstances, the same for every number.
            windows: of each subject that was measured.
            failures: why something could not be measured.
            quotations: of each subject whose latency was published.
            health: how the device was during each batch.
            transfer: estimates of operators.

        Raises:
            MeasurementError: a subject has both windows and a quotation.
        """
        timed = {subject: tuple(found) for subject, found in windows.items() if found}
        if twice := timed.keys() & quotations.keys():
            raise MeasurementError(
                f"{min(map(str, twice))} was both measured and published; keep them in two tables"
            )
        entries: dict[Subject, Measurement | Quotation] = dict(quotations)
        if timed:
            level_us = reference_level_us(chain.from_iterable(timed.values()))
            entries |= {subject: Measurement(taken, level_us) for subject, taken in timed.items()}
        return cls(name, provenance, entries, failures, health, transfer)

    @cached_property
    def measurements(self) -> Mapping[Subject, Measurement]:
        """What was measured, by subject."""
        found = self.entries.items()
        return {subject: entry for subject, entry in found if isinstance(entry, Measurement)}

    @cached_property
    def quotations(self) -> Mapping[Subject, Quotation]:
        """What was published, by subject."""
        found = self.entries.items()
        return {subject: entry for subject, entry in found if isinstance(entry, Quotation)}

    @property
    def published(self) -> bool:
        """Whether all in it comes from others, so that nothing can be measured into it."""
        return bool(self.quotations) and not self.measurements

    @property
    def windows(self) -> Mapping[Subject, tuple[Window, ...]]:
        """The windows of every subject that was measured.

        With quotations, failures, health and transfer they are all that ``from_windows`` needs.
        """
        return {subject: found.windows for subject, found in self.measurements.items()}

    @cached_property
    def rows(self) -> Mapping[Operator, Row]:
        """Every operator's latency, as a difference where it was measured in a frame.

        One that was measured alone is less a call, where that was measured, too. An estimate stands
        where there is nothing better.
        """
        rows: dict[Operator, Row] = {}
        for subject, entry in self.entries.items():
            if isinstance(subject, Operator):
                rows.setdefault(subject, self._without_call(entry))
            elif isinstance(subject, Framed):
                found = difference(subject.operator, self.measurements)
                if found is not None:
                    rows[subject.operator] = found
        return rows if self.transfer is None else {**self.transfer.operators, **rows}

    @cached_property
    def call_ms(self) -> float | None:
        """What any model takes to be run, in milliseconds (``called.call_ms``), if known."""
        return call_ms(self.measurements)

    def _without_call(self, entry: Measurement | Quotation) -> Row:
        if self.call_ms is None or isinstance(entry, Quotation):
            return entry
        return Called(entry, self.call_ms)

    @cached_property
    def networks(self) -> tuple[NetworkMeasurement, ...]:
        """Whole networks of the same origin, which calibrate predictions."""
        return tuple(
            NetworkMeasurement(subject, entry)
            for subject, entry in self.entries.items()
            if isinstance(subject, Network)
        )

    @property
    def by_subject(self) -> Mapping[Operator | Network, Row]:
        """Every latency that there is: the operators' first, then the networks'."""
        found: list[tuple[Operator | Network, Row]] = [*self.rows.items()]
        found += [(whole.network, whole.measurement) for whole in self.networks]
        return dict(found)

    @cached_property
    def latencies_ms(self) -> Mapping[Operator, float]:
        """Every operator's latency in milliseconds."""
        return {operator: row.median_ms for operator, row in self.rows.items()}

    @cached_property
    def estimators(self) -> tuple[Estimator, ...]:
        """One by the rows for operators, one by those for blocks, or both: the best one first."""
        measured = [(whole.network, whole.measurement.median_ms) for whole in self.networks]
        fit = fitted if self.transfer is None else self.transfer.calibration
        return make_estimators(
            self.latencies_ms, self._reasons, measured, partial(fit, coverage=self.coverage)
        )

    def estimator(self, operators: Sequence[Operator]) -> Estimator:
        """Return the best estimator that covers a network; the best of all where none does."""
        covering = (one for one in self.estimators if one.covers(operators))
        return next(covering, self.estimators[0])

    @property
    def calibration(self) -> Calibration:
        """From sums to networks, as the best estimator has it."""
        return self.estimators[0].calibration

    def without(self, subjects: Collection[Subject]) -> LatencyTable:
        """Return the table as if some subjects had not been measured."""
        kept = {one: found for one, found in self.entries.items() if one not in subjects}
        return replace(self, entries=kept)

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

    def covers(self, operators: Sequence[Operator]) -> bool:
        """Tell whether a network can be predicted, by any rows; one without operators cannot."""
        return bool(operators) and self.estimator(operators).covers(operators)

    def sum_ms(self, operators: Sequence[Operator]) -> float:
        """Sum the latencies of a network's rows, in milliseconds.

        The rows are those of the best estimator that covers it: for its operators, or for the
        blocks that these make. So are those that ``predict`` calibrates.

        Args:
            operators: of the network, in execution order; blocks among them or not.

        Raises:
            MissingOperatorError: no estimator covers it.
        """
        return self.estimator(operators).sum_ms(operators)

    def predict(self, operators: Sequence[Operator]) -> Prediction:
        """Predict the latency of the network that runs these operators one after another."""
        return self.estimator(operators).predict(operators)


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
        estimates: how many operators have an estimate from tables of other devices.
    """

    name: str
    provenance: Provenance
    operators: int
    networks: int
    failures: int
    windows: int
    quotations: int = 0
    estimates: int = 0
