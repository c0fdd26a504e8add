"""What ``sartor specialize`` leaves behind: one network, and why it is the one.

A folder with ``specialization.json`` (for people and programs) and ``network.safetensors`` (the
graph and its weights, BatchNorm recalibrated and not yet folded). ``export`` and ``verify`` start
from it, and need nothing else: not the supernet, nor, where it is the user's own, its code.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ..tables.atomic import write_atomically
from ..tables.errors import CheckpointError
from .choice import Choice
from .documents import from_document
from .network import Network
from .network_file import checked_network, has_graph, network_bytes, parse_network, parse_weights
from .supernets.families import FAMILIES
from .supernets.mobilenet_v3 import MobileNetV3

FORMAT = 3
"""Version 1 did not tell by which rows of the table a latency was predicted; up to version 2 every
supernet was a MobileNetV3, the network's file held no graph, and there was one device and no limit
but that on latency."""
DESCRIPTION, WEIGHTS = "specialization.json", "network.safetensors"
_AGAIN = "make it again with: sartor specialize"


@dataclass(frozen=True, slots=True)
class Specialization:
    """A choice together with the network itself."""

    choice: Choice
    network: Network

    def save(self, folder: Path) -> None:
        """Write both files; OutputError when the folder cannot be written."""
        write_atomically(folder / WEIGHTS, network_bytes(self.network))
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
        if version < 3:
            settings = {"width": document["origin"].pop("width")}
            document["origin"] |= {"family": MobileNetV3.family, "settings": settings}
        choice = from_document(Choice, document)
        if choice.origin.family in FAMILIES:
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
    choice, path = load_choice(folder), folder / WEIGHTS
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}; {_AGAIN}") from error
    try:
        network = _network(choice, content)
    except (ValueError, LookupError) as error:
        raise CheckpointError(f"{path} is damaged: {error}; {_AGAIN}") from error
    if not _is_of(network, choice):
        raise CheckpointError(f"{path} holds another network than {DESCRIPTION} names; {_AGAIN}")
    return Specialization(choice, network)


def _network(choice: Choice, content: bytes) -> Network:
    """Read a network, or only its weights where its graph has to come from the supernet's spec."""
    if has_graph(content):
        return parse_network(content)
    spec = choice.origin.spec
    graph = spec.graph(spec.space.parse(choice.subnetwork))
    return checked_network(graph, parse_weights(content), spec.batch_norm_eps)


def _is_of(network: Network, choice: Choice) -> bool:
    """Whether a network is the chosen one, as far as that can be told without the user's code."""
    if choice.origin.family in FAMILIES:
        spec = choice.origin.spec
        wanted = spec.graph(spec.space.parse(choice.subnetwork))
        return network.graph.operators == wanted.operators
    return network.graph.name == choice.subnetwork
