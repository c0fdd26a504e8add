"""A choice: which sub-network, for what, and by which evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..tables.calibration import Prediction
from ..tables.estimator import Standing
from .supernets.families import find_family
from .supernets.supernet import SupernetSpec


@dataclass(frozen=True, slots=True)
class Origin:
    """The supernet that a network was taken from.

    Attributes:
        supernet: name of a shipped one, a path, or ``MODULE:ATTRIBUTE``.
        family: of supernets.
        settings: what tells it from others of its family, numbers by name.
        resolutions: in pixels.
        labels: the classes, in the order of the logits.
    """

    supernet: str
    family: str
    settings: Mapping[str, float]
    resolutions: tuple[int, ...]
    labels: tuple[str, ...]

    @classmethod
    def of(cls, supernet: str, spec: SupernetSpec, labels: tuple[str, ...]) -> Origin:
        """Say where a network is from."""
        return cls(supernet, spec.family, dict(spec.settings), spec.resolutions, labels)

    @property
    def spec(self) -> SupernetSpec:
        """The supernet as data.

        Raises:
            UnknownNameError: it is of no family that is known, such as one of the user's own.
            FormatError: there can be none of these numbers.
        """
        family = find_family(self.family)
        return family.describe(self.settings, len(self.labels), self.resolutions)


@dataclass(frozen=True, slots=True)
class Target:
    """What a network was made for.

    Attributes:
        table: name of the latency table.
        device: that the table was measured on.
        condition: of the table, as text.
        budget_ms: latency that the network must not exceed there.
    """

    table: str
    device: str
    condition: str
    budget_ms: float


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How often a network is right.

    Attributes:
        predicted: top-1 by the supernet's accuracy predictor, 0–1.
        measured: top-1 on the user's images, 0–1; None where there were none.
        images: how many there were.
    """

    predicted: float
    measured: float | None
    images: int


@dataclass(frozen=True, slots=True)
class Search:
    """How a network was found, and what else there was.

    Attributes:
        seed: of everything random.
        seconds: wall time of the search.
        evaluations: networks that it predicted the accuracy of.
        fastest_ms: predicted latency of the supernet's fastest sub-network.
        largest_ms: predicted latency of its largest one.
        front: (predicted latency in ms, predicted top-1) of the best networks for other budgets.
    """

    seed: int
    seconds: float
    evaluations: int
    fastest_ms: float
    largest_ms: float
    front: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which sub-network was chosen, for what, and by which evidence.

    Attributes:
        origin: the supernet.
        subnetwork: as the supernet's space writes it.
        target: device and budget.
        latency: predicted there.
        accuracy: predicted, and measured where it could be.
        search: how it was found.
        multiply_adds: of one image.
        parameters: number of weights.
        recalibrated_with: the images that BatchNorm was recalibrated with.
        rows: by which of the table's rows the latency was predicted, and how good they and others
            are; nothing is known of it where an older Sartor chose.
    """

    origin: Origin
    subnetwork: str
    target: Target
    latency: Prediction
    accuracy: Accuracy
    search: Search
    multiply_adds: int
    parameters: int
    recalibrated_with: str
    rows: tuple[Standing, ...] = ()
