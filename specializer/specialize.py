"""Specialization: from a supernet, a latency table and a budget to one calibrated network."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np

from ..tables.errors import CheckpointError, MissingOperatorError
from ..tables.estimator import standings
from ..tables.granularity import OPERATORS
from ..tables.table import LatencyTable
from .accuracy.predictor import AccuracyPredictor
from .accuracy.stored import load_predictor
from .calibration_set import calibration_batches, folder_images, synthetic_images
from .choice import Accuracy, Choice, Origin, Search, Target
from .cost import CostTensor
from .evaluate import decode, top1
from .extract import extract
from .family import Family, load_family
from .images import ImageFolder
from .latency import PredictedLatency, compile_latency
from .network import Network
from .recalibrate import recalibrate
from .reference import load_reference, recalibrate_synthetically
from .search.evolution import search
from .search.fastest import fastest, largest
from .search.front import pareto_front
from .search.problem import Limit, Problem
from .search.result import SearchResult
from .shipped import SupernetFiles, find_supernet, lasting_name
from .space import SubNetwork
from .specialization import Specialization
from .supernets.supernet import SupernetSpec


@dataclass(frozen=True)
class Specializer:
    """A supernet and a latency table, loaded once and ready for any budget.

    Attributes:
        called: the supernet's name, or the absolute path of its file.
        files: where its parts lie.
        family: its weights, and those of its regions.
        table: of the device and the condition to specialize for.
    """

    called: str
    files: SupernetFiles
    family: Family
    table: LatencyTable

    @classmethod
    def open(cls, supernet: str, table: LatencyTable) -> Specializer:
        """Load a supernet by name, path or ``MODULE:ATTRIBUTE``.

        Raises:
            UnknownNameError: there is no such supernet.
            CheckpointError: it cannot be read.
        """
        files = find_supernet(supernet)
        return cls(lasting_name(supernet), files, load_family(files), table)

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
    def predicted(self) -> PredictedLatency:
        """The latency of every sub-network, and by which rows of the table it is predicted.

        Raises:
            MissingOperatorError: the table does not cover the supernet; says what does.
        """
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
    def latency_bound(self) -> CostTensor:
        """The upper end of every prediction's interval, in milliseconds; budgets constrain it."""
        return self.predicted.bound

    @property
    def largest(self) -> SubNetwork:
        """The largest sub-network whose latency the table predicts."""
        return largest(self.spec.space, self.latency)

    @property
    def left_out(self) -> tuple[int, ...]:
        """Resolutions of whose sub-networks the table, a published one, lacks operators."""
        places = self.spec.space.axis_places()[self.latency.contexts, 0]
        sizes = enumerate(self.spec.resolutions)
        return tuple(size for place, size in sizes if place not in places)

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
        """What measures every operator of the supernet into this table."""
        device, condition = self.table.provenance.device, self.table.provenance.condition
        options = {
            "--supernet": self.called,
            "--device": device,
            "--runtime": condition.runtime,
            "--threads": str(condition.threads),
            "--table": self.table.name,
        }
        if condition.options:
            options["--options"] = condition.options
        if (rows := self.table.estimators[0].granularity) is not OPERATORS:
            options["--rows"] = rows.name
        return shlex.join(["sartor", "profile", *chain.from_iterable(options.items())])

    def latency_ms(self, subnetwork: SubNetwork) -> float:
        """Return the predicted latency of one sub-network in milliseconds."""
        return float(self.latency.evaluate(np.array([subnetwork], np.int16))[0])

    @property
    def usual_budget_ms(self) -> float:
        """Half the latency of the largest sub-network, or whatever the fastest one needs."""
        space, bound = self.spec.space, self.latency_bound
        fastest_ms = bound.evaluate(np.array([fastest(space, bound)], np.int16))[0]
        return max(self.latency_ms(self.largest) / 2, float(fastest_ms))

    def search(self, budget_ms: float, seed: int) -> SearchResult:
        """Find the most accurate sub-network whose interval ends within the budget.

        Raises:
            BudgetError: the budget is no positive number.
            InfeasibleBudgetError: no sub-network is that fast; names the fastest.
        """
        return search(self.problem(budget_ms), np.random.default_rng(seed))

    def problem(self, budget_ms: float) -> Problem:
        """Ask for the most accurate sub-network whose interval ends within the budget."""
        limit = Limit("latency", "ms", self.latency_bound, budget_ms)
        return Problem(self.spec.space, self.predictor, (limit,))

    def realize(
        self, found: SearchResult, budget_ms: float, seed: int, data: Path | None
    ) -> Specialization:
        """Make a found sub-network a network: inherit weights, recalibrate, evaluate.

        Args:
            found: by ``search``.
            budget_ms: that it was searched for.
            seed: that it was searched with.
            data: the user's images in class folders; without, the synthetic ones that ship.

        Raises:
            DatasetError: the images cannot be used.
        """
        # Folders of the wrong names are found before minutes are spent on what is in them.
        folder = None if data is None else ImageFolder.scan(data, self.labels)
        network = self._recalibrated(found.subnetwork, data, seed)
        provenance = self.table.provenance
        choice = Choice(
            origin=Origin.of(self.called, self.spec, self.labels),
            subnetwork=network.graph.name,
            target=Target(self.table.name, provenance.device, str(provenance.condition), budget_ms),
            latency=self.predicted.estimator.predict(network.graph.operators),
            rows=standings(self.table.estimators, self.predicted.estimator),
            accuracy=_accuracy(network, found.accuracy, folder),
            search=self._account(found, seed),
            multiply_adds=network.graph.multiply_adds,
            parameters=network.graph.parameters,
            recalibrated_with="synthetic images" if data is None else str(data),
        )
        return Specialization(choice, network)

    def _account(self, found: SearchResult, seed: int) -> Search:
        """Put what a search found among what it could have found."""
        space, bound = self.spec.space, self.latency_bound
        front = pareto_front(self.problem(math.inf), np.random.default_rng(seed))
        return Search(
            seed=seed,
            seconds=found.seconds,
            evaluations=found.evaluations,
            fastest_ms=self.latency_ms(fastest(space, bound)),
            largest_ms=self.latency_ms(self.largest),
            front=tuple((self.latency_ms(best.subnetwork), best.accuracy) for best in front),
        )

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


def _accuracy(network: Network, predicted: float, folder: ImageFolder | None) -> Accuracy:
    """Put what was predicted beside what the user's images show."""
    if folder is None:
        return Accuracy(predicted, None, 0)
    return Accuracy(predicted, top1(network, decode(folder, network.resolution)), len(folder))
