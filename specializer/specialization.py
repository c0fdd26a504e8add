"""What ``sartor specialize`` leaves behind: one network, and why it is the one.

A folder with ``specialization.json`` (for people and programs) and ``network.safetensors`` (the
weights, BatchNorm recalibrated and not yet folded). ``export`` and ``verify`` start from it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from ..tables.atomic import write_atomically
from ..tables.errors import CheckpointError
from .choice import Choice
from .documents import from_document
from .network import Network
from .space import SubNetwork
from .supernets.elastic import ElasticMobileNetV3
from .supernets.mobilenet_v3 import BATCH_NORM_EPS, MobileNetV3

FORMAT = 3
"""Version 1 did not tell by which rows of the table a latency was predicted; version 2 knew one
device and no limit but that on latency."""
DESCRIPTION, WEIGHTS = "specialization.json", "network.safetensors"
_AGAIN = "make it again with: sartor specialize"


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
    try:
        document = json.loads(path.read_text("utf-8"))
        version = document.pop("format")
        if version > FORMAT:
            raise CheckpointError(
                f"{path} was written by a newer Sartor (format {version}, this one reads "
                f"{FORMAT}); update Sartor, or {_AGAIN}"
            )
        choice = from_document(Choice, document)
        choice.origin.spec.space.parse(choice.subnetwork)
    except OSError as error:
        raise CheckpointError(
            f"{folder} holds no specialized network: cannot read {path.name} "
            f"({error.strerror}); make one with: sartor specialize --out {folder}"
        ) from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); {_AGAIN}") from error
    return choice


def load_specialization(folder: Path) -> Specialization:
    """Read what ``Specialization.save`` wrote.

    Raises:
        CheckpointError: a file is missing, damaged, or from a newer Sartor.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    choice = load_choice(folder)
    spec, path = choice.origin.spec, folder / WEIGHTS
    subnetwork = spec.space.parse(choice.subnetwork)
    try:
        weights = load(path.read_bytes())
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}; {_AGAIN}") from error
    except (SafetensorError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); {_AGAIN}") from error
    if {name: value.shape for name, value in weights.items()} != _shapes(spec, subnetwork):
        raise CheckpointError(f"{path} holds another network than {DESCRIPTION} names; {_AGAIN}")
    network = Network(spec.graph(subnetwork), weights, BATCH_NORM_EPS)
    if not all(np.isfinite(value).all() for value in network.deployed().weights.values()):
        raise CheckpointError(f"{path} holds weights that are no finite numbers; {_AGAIN}")
    return Specialization(choice, network)


def _shapes(spec: MobileNetV3, subnetwork: SubNetwork) -> dict[str, torch.Size]:
    """Return the shape of every weight of a sub-network, without computing any."""
    with torch.device("meta"):
        weights = ElasticMobileNetV3(spec).weights(subnetwork)
    return {name: value.shape for name, value in weights.items()}
