"""An aim: a latency table, and what all of a supernet's networks take by it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain

import numpy as np

from ..tables.calibration import check_coverage
from ..tables.errors import MissingOperatorError, UnfitTableError
from ..tables.estimator import standings
from ..tables.granularity import OPERATORS
from ..tables.graph import Graph
from ..tables.table import LatencyTable
from .choice import Fit, Target
from .cost import CostTensor
from .latency import PredictedLatency, compile_latency
from .search.fastest import fastest, largest
from .space import SubNetwork
from .supernets.supernet import SupernetSpec


@dataclass(frozen=True)
class Aim:
    """A supernet, and the table of a device and a condition to specialize it for.

    Attributes:
        called: the supernet's name or path.
        spec: the supernet as data.
        table: of the device and the condition.
    """

    called: str
    spec: SupernetSpec
    table: LatencyTable

    def at(self, confidence: float) -> Aim:
        """Keep budgets with another confidence: the coverage of the intervals, 0–1.

        Raises:
            MissingOperatorError: the table does not cover the supernet.
            MeasurementError: too few networks calibrate the table for that.
        """
        calibration = self.predicted.estimator.calibration
        check_coverage(confidence, calibration.networks, self.table.name)
        return replace(self, table=replace(self.table, coverage=confidence))

    @cached_property
    def predicted(self) -> PredictedLatency:
        """The latency of every sub-network, and by which rows of the table it is predicted.

        Raises:
            MissingOperatorError: the table does not cover the supernet; says what does.
            UnfitTableError: it is of another data type or batch than what is shipped.
        """
        condition = self.table.provenance.condition
        if condition.batch != 1:
            raise UnfitTableError(
                f"{self.table.name} is a table of batches of {condition.batch}, and networks ship "
                f"for one image at a time; measure that with: {self._profile_command}"
            )
        dtype = condition.dtype
        if dtype != "float32":
            raise UnfitTableError(
                f"{self.table.name} is a table of {dtype}, and only networks of float32 can be "
                f"specialized; measure that with: {self._profile_command}"
            )
        try:
            return compile_latency(self.spec, self.table)
        except MissingOperatorError as error:
            raise MissingOperatorError(
                error.operator,
                error.near,
                error.failure,
                self._profile_command,
                self._advice if self.table.published else "",
            ) from error

    @property
    def latency(self) -> CostTensor:
        """The predicted latency of every sub-network, in milliseconds."""
        return self.predicted.cost

    @cached_property
    def bound(self) -> CostTensor:
        """The upper end of every prediction's interval, in milliseconds; budgets constrain it."""
        return self.predicted.bound

    @property
    def largest(self) -> SubNetwork:
        """The largest sub-network whose latency the table predicts."""
        return largest(self.spec.space, self.latency)

    @property
    def fastest(self) -> SubNetwork:
        """The sub-network whose interval ends first."""
        return fastest(self.spec.space, self.bound)

    @property
    def left_out(self) -> tuple[int, ...]:
        """Resolutions of whose sub-networks the table, a published one, lacks operators."""
        places = self.spec.space.axis_places()[self.latency.contexts, 0]
        sizes = enumerate(self.spec.resolutions)
        return tuple(size for place, size in sizes if place not in places)

    @property
    def usual_budget_ms(self) -> float:
        """Half the latency of the largest sub-network, or whatever the fastest one needs."""
        return max(self.latency_ms(self.largest) / 2, self.bound_ms(self.fastest))

    def latency_ms(self, subnetwork: SubNetwork) -> float:
        """Return the predicted latency of one sub-network in milliseconds."""
        return float(self.latency.evaluate(np.array([subnetwork], np.int16))[0])

    def bound_ms(self, subnetwork: SubNetwork) -> float:
        """Return where the interval of one sub-network's prediction ends, in milliseconds."""
        return float(self.bound.evaluate(np.array([subnetwork], np.int16))[0])

    def fit(self, graph: Graph, budget_ms: float) -> Fit:
        """Tell how a network fits a budget, by a prediction."""
        estimator, provenance = self.predicted.estimator, self.table.provenance
        calibration = estimator.calibration
        target = Target(
            self.table.name,
            provenance.device,
            str(provenance.condition),
            budget_ms,
            calibration.coverage if calibration.calibrated else None,
        )
        ranked = standings(self.table.estimators, estimator)
        return Fit(target, estimator.predict(graph.operators), ranked)

    @property
    def _advice(self) -> str:
        """What to do about a published table that lacks too much."""
        sizes = ", ".join(map(str, self.spec.resolutions))
        return (
            f"nothing can be measured into {self.table.name}, which was published, and it covers "
            f"no resolution of {self.called} ({sizes}): take a table of your own, or the supernet "
            "that it was made for"
        )

    @property
    def _profile_command(self) -> str:
        """What measures every operator of the supernet, into this table where that is possible."""
        device, condition = self.table.provenance.device, self.table.provenance.condition
        options = {
            "--supernet": self.called,
            "--device": device,
            "--runtime": condition.runtime,
            "--threads": str(condition.threads),
            "--table": self._measurable,
        }
        if condition.options:
            options["--options"] = condition.options
        if condition.cores:
            options["--cores"] = condition.cores
        if (rows := self.table.estimators[0].granularity) is not OPERATORS:
            options["--rows"] = rows.name
        return shlex.join(["sartor", "profile", *chain.from_iterable(options.items())])

    @property
    def _measurable(self) -> str:
        """Name the table into which operators of float32 can be measured, one image at a time."""
        condition = self.table.provenance.condition
        if condition.batch != 1:
            return f"{self.table.name}-batch1"
        if condition.dtype != "float32":
            return f"{self.table.name}-float32"
        # measurements do not mix with estimates
        return self.table.name if self.table.transfer is None else f"{self.table.name}-measured"
