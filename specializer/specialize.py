"""Specialization: from a supernet, latency tables and limits to one calibrated network."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from ..tables.errors import BudgetError, CheckpointError
from ..tables.table import LatencyTable
from .accuracy.predictor import AccuracyPredictor
from .accuracy.stored import load_predictor
from .aim import Aim
from .calibration_set import calibration_batches, folder_images, synthetic_images
from .choice import Accuracy, Choice, Kept, Origin, Search
from .costs.ceilings import Ceilings, Costs, shipping
from .costs.peak import peak_bytes
from .evaluate import decode, top1
from .extract import extract
from .family import Family, load_family
from .images import ImageFolder
from .network import Network
from .recalibrate import recalibrate
from .reference import load_reference, recalibrate_synthetically
from .search.evolution import search
from .search.front import pareto_front
from .search.problem import Limit, Problem
from .search.result import SearchResult
from .shipped import SupernetFiles, find_supernet, lasting_name
from .space import SubNetwork
from .specialization import Specialization
from .supernets.supernet import SupernetSpec


@dataclass(frozen=True, eq=False)
class Budget:
    """The latency that a network must not exceed on a device.

    Attributes:
        aim: the device, by its table.
        most_ms: that the upper end of the predicted interval has to keep to; infinite for the whole
            of a front.

    Raises:
        BudgetError: that is no positive number.
    """

    aim: Aim
    most_ms: float

    def __post_init__(self) -> None:
        if not self.most_ms > 0:
            raise BudgetError(
                f"a budget is a positive number of milliseconds, not {self.most_ms:g}"
            )


@dataclass(frozen=True, eq=False)
class Demand:
    """All limits that one network has to meet.

    Attributes:
        budgets: of latency, at least one, each on a device.
        ceilings: of everything else.
    """

    budgets: tuple[Budget, ...]
    ceilings: Ceilings = field(default_factory=Ceilings)

    @property
    def limits(self) -> tuple[Limit, ...]:
        """Those on latency, in the order of the budgets."""
        several = len(self.budgets) > 1
        return tuple(
            Limit(
                f"latency by {budget.aim.table.name}" if several else "latency",
                "ms",
                budget.aim.bound,
                budget.most_ms,
            )
            for budget in self.budgets
        )


@dataclass(frozen=True)
class Specializer:
    """A supernet, loaded once and ready for any table and any limits.

    Attributes:
        called: the supernet's name, or the absolute path of its file.
        files: where its parts lie.
        family: its weights, and those of its regions.
    """

    called: str
    files: SupernetFiles
    family: Family

    @classmethod
    def open(cls, supernet: str) -> Specializer:
        """Load a supernet by name, path or ``MODULE:ATTRIBUTE``.

        Raises:
            UnknownNameError: there is no such supernet.
            CheckpointError: it cannot be read.
        """
        files = find_supernet(supernet)
        return cls(lasting_name(supernet), files, load_family(files))

    @property
    def spec(self) -> SupernetSpec:
        """Everything about the supernet but its weights."""
        return self.family.spec

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, in the classifier's order."""
        return self.family.whole.labels

    @cached_property
    def predictor(self) -> AccuracyPredictor:
        """The supernet's accuracy predictor; CheckpointError when it has none."""
        if self.files.accuracy is None:
            raise CheckpointError(
                f"{self.called} has no accuracy predictor, so no search can tell its sub-networks "
                f"apart; make one with: sartor evaluate --supernet {self.called} --data DIR"
            )
        return load_predictor(self.files.accuracy, self.spec.space)

    @cached_property
    def costs(self) -> Costs:
        """What the sub-networks cost besides latency."""
        return Costs(self.spec)

    def aim(self, table: LatencyTable) -> Aim:
        """Aim at the device and the condition of a table."""
        return Aim(self.called, self.spec, table)

    def problem(self, demand: Demand) -> Problem:
        """Ask for the most accurate sub-network within all limits, those on latency first."""
        runtimes = [
            runtime
            for budget in demand.budgets
            for runtime in shipping(budget.aim.table.provenance.condition.runtime)
        ]
        limits = (*demand.limits, *self.costs.limits(demand.ceilings, runtimes))
        return Problem(self.spec.space, self.predictor, limits)

    def search(self, demand: Demand, seed: int) -> SearchResult:
        """Find the most accurate sub-network within all limits.

        Raises:
            BudgetError: a limit is no positive number.
            InfeasibleBudgetError: no sub-network meets one of them; names the nearest.
            ContradictionError: no sub-network meets two of them together, or all.
        """
        return search(self.problem(demand), np.random.default_rng(seed))

    def realize(
        self, found: SearchResult, demand: Demand, seed: int, data: Path | None
    ) -> Specialization:
        """Make a found sub-network a network: inherit weights, recalibrate, evaluate.

        Args:
            found: by ``search``.
            demand: that it was searched for.
            seed: that it was searched with.
            data: the user's images in class folders; without, the synthetic ones that ship.

        Raises:
            DatasetError: the images cannot be used.
        """
        # Folders of the wrong names are found before minutes are spent on what is in them.
        folder = None if data is None else ImageFolder.scan(data, self.labels)
        network = self._recalibrated(found.subnetwork, data, seed)
        graph, limits = network.graph, self.problem(demand).limits
        first, *others = (budget.aim.fit(graph, budget.most_ms) for budget in demand.budgets)
        choice = Choice(
            origin=Origin.of(self.called, self.spec, self.labels),
            subnetwork=graph.name,
            target=first.target,
            latency=first.latency,
            rows=first.rows,
            also=tuple(others),
            accuracy=self._accuracy(network, found.accuracy, folder),
            search=self._account(found, demand, seed),
            limits=tuple(
                Kept(limit.what, limit.unit, limit.most, cost)
                for limit, cost in zip(limits, found.costs, strict=True)
            ),
            multiply_adds=graph.multiply_adds,
            parameters=graph.parameters,
            memory_bytes=peak_bytes(graph),
            recalibrated_with="synthetic images" if data is None else str(data),
        )
        return Specialization(choice, network)

    def front(self, demand: Demand, seed: int, points: int) -> tuple[SearchResult, ...]:
        """Find what every budget of latency would buy, all other limits kept.

        Args:
            demand: the first budget is the highest of the front, and may be infinite.
            seed: of the search.
            points: how many budgets.

        Raises:
            BudgetError: as ``search``.
        """
        return pareto_front(self.problem(demand), np.random.default_rng(seed), points)

    def _account(self, found: SearchResult, demand: Demand, seed: int) -> Search:
        """Put what a search found among what it could have found."""
        first, *others = demand.budgets
        aim = first.aim
        front = self.front(Demand((Budget(aim, math.inf), *others), demand.ceilings), seed, 12)
        return Search(
            seed=seed,
            seconds=found.seconds,
            evaluations=found.evaluations,
            fastest_ms=aim.latency_ms(aim.fastest),
            largest_ms=aim.latency_ms(aim.largest),
            front=tuple((aim.latency_ms(best.subnetwork), best.accuracy) for best in front),
            accuracy_bound=found.accuracy_bound,
        )

    def _accuracy(self, network: Network, predicted: float, folder: ImageFolder | None) -> Accuracy:
        """Put what was predicted beside what the user's images show."""
        file = self.files.accuracy
        digest = "" if file is None else hashlib.sha256(file.read_bytes()).hexdigest()
        if folder is None:
            return Accuracy(predicted, None, 0, digest)
        measured = top1(network, decode(folder, network.resolution))
        return Accuracy(predicted, measured, len(folder), digest)

    def _recalibrated(self, subnetwork: SubNetwork, data: Path | None, seed: int) -> Network:
        """Inherit weights, and recalibrate with the user's images or with synthetic ones."""
        family, files = self.family, self.files
        if data is not None:
            network = extract(family, subnetwork)
            photos = folder_images(data, np.random.default_rng(seed))
            return recalibrate(network, calibration_batches(photos, network.resolution))
        images = synthetic_images(self.called, files, self.spec.resolutions[-1])
        reference = (
            {} if files.reference is None else load_reference(files.reference, self.spec.space)
        )
        return recalibrate_synthetically(
            family, subnetwork, images, reference, reference_of=family.whole.supernet
        )
