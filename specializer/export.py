"""Export: a network as the files that runtimes load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..profiler.runtimes import find_runtime
from ..tables.atomic import write_atomically
from ..tables.errors import CheckpointError
from .choice import model_file
from .network import Network


@dataclass(frozen=True, slots=True)
class Artefact:
    """One exported model.

    Attributes:
        runtime: that loads it.
        size_bytes: of the file.
    """

    runtime: str
    path: Path
    size_bytes: int


def artefact_path(folder: Path, runtime: str) -> Path:
    """Return where a runtime's model stands in a specialization's folder."""
    return folder / model_file(find_runtime(runtime).suffix)


def export(network: Network, folder: Path, runtimes: Sequence[str]) -> tuple[Artefact, ...]:
    """Write a network, BatchNorm folded, once for each runtime.

    Raises:
        UnknownNameError: there is no such runtime.
        RuntimeMissingError: this host lacks what a writer needs.
        OutputError: the folder cannot be written; no half-written file is left.
    """
    graph = network.deployed()
    artefacts = []
    for name in runtimes:
        content = find_runtime(name).write(graph)
        path = artefact_path(folder, name)
        write_atomically(path, content)
        artefacts.append(Artefact(name, path, len(content)))
    return tuple(artefacts)


def exported(folder: Path, runtimes: Sequence[str]) -> tuple[Artefact, ...]:
    """Find what ``export`` wrote; CheckpointError names what is missing."""
    artefacts = []
    for name in runtimes:
        path = artefact_path(folder, name)
        if not path.is_file():
            raise CheckpointError(
                f"{path} is missing; write it with: sartor export {folder} --runtime {name}"
            )
        artefacts.append(Artefact(name, path, path.stat().st_size))
    return tuple(artefacts)
