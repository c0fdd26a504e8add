"""What ``sartor specialize`` leaves behind: one network, and why it is the one.

A folder with ``specialization.json`` (for people and programs) and ``network.safetensors`` (the
weights, BatchNorm recalibrated and not yet folded). ``export`` and ``verify`` start from it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from ..tables.atomic import write_atomically
from ..tables.errors import CheckpointError
from .network import Network
from .supernets.mobilenet_v3 import BATCH_NORM_EPS, MobileNetV3, supernet_spec

FORMAT = 1
DESCRIPTION, WEIGHTS = "specialization.json", "network.safetensors"


@dataclass(frozen=True, slots=True)
class Choice:
    """Which sub-network was chosen, for what budget, by which evidence.

    Attributes:
        supernet: name or path.
        width: of the supernet.
        resolutions: of the supernet, in pixels.
        labels: the classes, in the order of the logits.
        subnetwork: as the search space writes it.
        budget_ms: the latency that it must not exceed.
        latency_ms: predicted.
        low_ms: lower end of the prediction's interval.
        high_ms: upper end of the prediction's interval.
        calibrated: whether the table knew how far its predictions are off.
        accuracy: predicted top-1, 0–1; None without a predictor for the supernet.
        top1: measured on ``top1_images`` images of the user; None where there were none.
        multiply_adds: of one image.
        parameters: number of weights.
        largest_ms: predicted latency of the supernet's largest sub-network.
        fastest_ms: predicted latency of its fastest one.
        table: name of the latency table.
        device: that the table was measured on.
        condition: of the table, as text.
        calibration_images: how many images BatchNorm was recalibrated with, and which.
        search_seconds: wall time of the search.
        evaluations: networks that it predicted the accuracy of.
        seed: of the search.
        front: (latency in ms, accuracy) of the best networks for other budgets.
    """

    supernet: str
    width: float
    resolutions: tuple[int, ...]
    labels: tuple[str, ...]
    subnetwork: str
    budget_ms: float
    latency_ms: float
    low_ms: float
    high_ms: float
    calibrated: bool
    accuracy: float
    top1: float | None
    top1_images: int
    multiply_adds: int
    parameters: int
    largest_ms: float
    fastest_ms: float
    table: str
    device: str
    condition: str
    calibration_images: str
    search_seconds: float
    evaluations: int
    seed: int
    front: tuple[tuple[float, float], ...]

    @property
    def spec(self) -> MobileNetV3:
        """The supernet that the sub-network belongs to."""
        return supernet_spec(self.width, len(self.labels), self.resolutions)


@dataclass(frozen=True, slots=True)
class Specialization:
    """A choice together with the network itself."""

    choice: Choice
    network: Network

    def save(self, folder: Path) -> None:
        """Write both files; OutputError when the folder cannot be written."""
        from safetensors.torch import save

        weights = {name: value.contiguous() for name, value in self.network.weights.items()}
        write_atomically(folder / WEIGHTS, save(weights))
        document = {"format": FORMAT} | asdict(self.choice)
        write_atomically(folder / DESCRIPTION, (json.dumps(document, indent=2) + "\n").encode())


def load_choice(folder: Path) -> Choice:
    """Read why a network was chosen, without its weights.

    Raises:
        CheckpointError: the folder holds no specialization, or a damaged or newer one.
    """
    path = folder / DESCRIPTION
    hint = "make it with: sartor specialize"
    try:
        document = json.loads(path.read_text("utf-8"))
        version = document.pop("format")
        if version > FORMAT:
            raise CheckpointError(f"{path} was written by a newer Sartor; upgrade this one")
        if document.keys() != {field.name for field in fields(Choice)}:
            raise CheckpointError(f"{path} is damaged; {hint}")
        for name in ("resolutions", "labels"):
            document[name] = tuple(document[name])
        document["front"] = tuple((float(ms), float(top1)) for ms, top1 in document["front"])
        choice = Choice(**document)
        choice.spec.space.parse(choice.subnetwork)
    except FileNotFoundError as error:
        raise CheckpointError(f"{folder} holds no specialized network; {hint}") from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); {hint}") from error
    return choice


def load_specialization(folder: Path) -> Specialization:
    """Read what ``Specialization.save`` wrote.

    Raises:
        CheckpointError: a file is missing, damaged, or from a newer Sartor.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    choice = load_choice(folder)
    graph = choice.spec.graph(choice.spec.space.parse(choice.subnetwork))
    path = folder / WEIGHTS
    try:
        weights = load(path.read_bytes())
        network = Network(graph, weights, BATCH_NORM_EPS)
        network.deployed()
        if not all(torch.isfinite(value).all() for value in weights.values()):
            raise CheckpointError(f"{path} holds weights that are no numbers")
    except (OSError, SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} cannot be read ({error}); make it again with: sartor specialize"
        ) from error
    return Specialization(choice, network)
