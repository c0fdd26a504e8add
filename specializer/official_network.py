"""Official networks with their weights: ``net.config`` and a state dict, as a network that runs.

The networks that Once-for-All and ProxylessNAS published are single ones, cut out and fine-tuned
already. They are neither searched nor recalibrated: BatchNorm keeps the statistics of its file.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

from ..tables.errors import CheckpointError, FormatError
from ..tables.operator import Shape
from .network import Network
from .network_file import checked_network
from .official_config import OfficialConfig, read_config
from .state_file import check_state, read_state, renamed

RUN_CONFIG = "run.config"
_WANTED = "want the weights that were published together with this net.config"


def load_official_network(config: Path, weights: Path, resolution: int | None = None) -> Network:
    """Load a network that Once-for-All or ProxylessNAS published, ResNets included.

    Args:
        config: its ``net.config``.
        weights: its ``init`` or ``.pth``, whose tensors may be named in any published spelling; no
            code in it is run.
        resolution: input size in pixels; without, as the ``run.config`` beside says.

    Returns:
        A network whose input is normalised as it was in training, which no file tells: by
        ImageNet's mean and deviation for all that Once-for-All published.

    Raises:
        CheckpointError: a file cannot be read, or the weights are of another network.
        FormatError: the configuration is of no such network, or tells no resolution.
    """
    document = _json(config)
    size = _resolution(config) if resolution is None else resolution
    official = read_config(document, size)
    shapes = _shapes(official)
    state = renamed(weights, read_state(weights, _WANTED), shapes, _WANTED)
    check_state(weights, state, shapes, f"network of {config.name}", _WANTED)
    named = {
        ours: state[published].to(torch.float32, memory_format=torch.contiguous_format, copy=True)
        for ours, published in official.tensors.items()
    }
    try:
        return checked_network(official.graph, named, official.eps)
    except FormatError as error:
        raise CheckpointError(f"{weights}: {error}; {_WANTED}") from error


def _shapes(official: OfficialConfig) -> dict[str, Shape]:
    """List the shapes of a network's tensors by their published names."""
    known = official.graph.weight_shapes
    shapes: dict[str, Shape] = {}
    for ours, published in official.tensors.items():
        node, _, _ = ours.partition(".norm.")
        shapes[published] = known[ours] if ours in known else known[f"{node}.bias"]
    return shapes


def _resolution(config: Path) -> int:
    run = config.with_name(RUN_CONFIG)
    if not run.is_file():
        raise FormatError(
            f"{config} does not tell its input size, and there is no {RUN_CONFIG} beside it; name "
            "the size in pixels with --resolution"
        )
    document = _json(run)
    size = document.get("image_size") if isinstance(document, dict) else None
    if not isinstance(size, int) or isinstance(size, bool):
        raise FormatError(f"{run} has no image_size; name it in pixels with --resolution")
    return size


def _json(path: Path) -> object:
    try:
        document: object = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}; name another file") from error
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} is no JSON ({error}); name a published net.config") from error
    return document
