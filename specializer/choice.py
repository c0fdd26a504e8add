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
        confidence: coverage of the interval whose upper end had to keep to that, 0–1; None where
            predictions have no interval, or an older Sartor chose.
    """

    table: str
    device: str
    condition: str
    budget_ms: float
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Fit:
    """How a network fits a target.

    Attributes:
        target: device and budget.
        latency: predicted there.
        rows: by which of the table's rows the latency was predicted, and how good they and others
            are; nothing is known of it where an older Sartor chose.
    """

    target: Target
    latency: Prediction
    rows: tuple[Standing, ...] = ()

    @property
    def runtime(self) -> str:
        """The runtime of the target's condition."""
        return self.target.condition.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Kept:
    """A limit, and what the network costs by it.

    Attributes:
        what: is limited, such as ``parameters``.
        unit: of both numbers.
        most: that the network was to cost.
        cost: what it costs; of latency the upper end of the predicted interval.
    """

    what: str
    unit: str
    most: float
    cost: float

    @property
    def text(self) -> str:
        """Write it for people, such as ``4.12 of 5 MB``."""
        return f"{self.cost:.4g} of {self.most:.6g} {self.unit}"


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How often a network is right.

    Attributes:
        predicted: top-1 by the supernet's accuracy predictor, 0–1.
        measured: top-1 on the user's images, 0–1; None where there were none.
        images: how many there were.
        predictor_sha256: of the predictor's file; empty in documents that are older.
    """

    predicted: float
    measured: float | None
    images: int
    predictor_sha256: str = ""


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
        accuracy_bound: proven: no network within the limits has a higher predicted accuracy, 0–1.
            None where nothing could be proven, or an older Sartor searched.
    """

    seed: int
    seconds: float
    evaluations: int
    fastest_ms: float
    largest_ms: float
    front: tuple[tuple[float, float], ...]
    accuracy_bound: float | None = None


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
        also: the same of every further device that the network was made for.
        limits: every limit, those on latency among them; older choices do not list them.
        memory_bytes: peak memory of activations (``costs.peak``); None where an older Sartor chose.
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
    also: tuple[Fit, ...] = ()
    limits: tuple[Kept, ...] = ()
    memory_bytes: int | None = None

    @property
    def fits(self) -> tuple[Fit, ...]:
        """How the network fits each device that it was made for."""
        return (Fit(self.target, self.latency, self.rows), *self.also)

    def fit(self, device: str, runtime: str) -> Fit:
        """Return what was promised for a device and a runtime, or comes nearest to that.

        That is a target of this device and runtime, else one of this device, else the first.
        """

        def nearness(fit: Fit) -> tuple[bool, bool]:
            there = fit.target.device == device
            return there and fit.runtime == runtime, there

        return max(self.fits, key=nearness)

    def most_mb(self, file: str) -> float | None:
        """Return the limit on the size of a model file in MB, None where there is none."""
        return next((kept.most for kept in self.limits if kept.what == size_of(file)), None)


def model_file(suffix: str) -> str:
    """Name the file that a network is shipped in, for runtimes whose files end so."""
    return f"model{suffix}"


def size_of(file: str) -> str:
    """What a limit on the size of a file is a limit of."""
    return f"size of {file}"
