"""Synthetic recalibration, corrected by what a reference network saw in photos.

Synthetic images give a network's BatchNorms nearly the statistics that photos would give, and what
they miss, they miss in related networks alike. For one network, the supernet's largest at the same
resolution, the statistics from photos ship with the supernet. So the synthetic images run through
that one too, and how far each channel is off there corrects the same channel of the network at
hand: a control variate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ..tables.atomic import write_atomically
from ..tables.errors import CheckpointError
from .calibration_set import calibration_batches
from .extract import WeightSharing, extract
from .network import Network, TensorMap
from .recalibrate import recalibrate
from .space import SubNetwork

Reference = Mapping[int, TensorMap]
"""BatchNorm statistics from photos of the largest sub-network, by resolution in pixels."""

_VARIANCE_RATIOS = (0.2, 5.0)
_SCALE_RATIOS = (0.3, 3.0)
"""A channel that is all but constant in one of the networks tells nothing about the other."""


def reference_subnetwork(supernet: WeightSharing, subnetwork: SubNetwork) -> SubNetwork:
    """Return the largest sub-network at the resolution of another one."""
    return (subnetwork[0], *supernet.spec.space.largest[1:])


def statistics(network: Network) -> dict[str, Tensor]:
    """Return a network's running means and variances."""
    return {name: value for name, value in network.weights.items() if ".norm.running_" in name}


def recalibrate_synthetically(
    supernet: WeightSharing,
    subnetwork: SubNetwork,
    images: Sequence[Image.Image],
    reference: Reference,
    reference_of: WeightSharing | None = None,
) -> Network:
    """Extract a sub-network and recalibrate it without photos.

    Args:
        supernet: with trained weights, on any device; the network will be there, too.
        subnetwork: of its space.
        images: synthetic ones, square.
        reference: of the supernet; where it lacks the resolution, nothing is corrected.
        reference_of: the supernet that it is of, where that is another one.

    Returns:
        The network with its BatchNorm statistics.
    """
    network = extract(supernet, subnetwork)
    device = next(iter(network.weights.values())).device
    batches = [batch.to(device) for batch in calibration_batches(images, network.resolution)]
    synthetic = recalibrate(network, batches)
    if network.resolution not in reference:
        return synthetic
    origin = reference_of or supernet
    largest = extract(origin, reference_subnetwork(origin, subnetwork))
    seen = statistics(recalibrate(largest, batches))
    wanted = {name: value.to(device) for name, value in reference[network.resolution].items()}
    weights = dict(synthetic.weights)
    for mean in (name for name in statistics(synthetic) if name.endswith("running_mean")):
        variance = f"{mean.removesuffix('mean')}var"
        if mean in wanted:
            weights[mean], weights[variance] = _corrected(
                (weights[mean], weights[variance]),
                (seen[mean], seen[variance]),
                (wanted[mean], wanted[variance]),
            )
    return Network(network.graph, weights, network.eps)


def _corrected(
    own: tuple[Tensor, Tensor], seen: tuple[Tensor, Tensor], wanted: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Correct (mean, variance), each (channels,), by another network's first channels."""
    channels, tiny = len(own[0]), torch.finfo(torch.float32).tiny
    seen_mean, seen_variance = (value[:channels] for value in seen)
    wanted_mean, wanted_variance = (value[:channels] for value in wanted)
    scale = (own[1] / seen_variance.clamp_min(tiny)).sqrt().clamp(*_SCALE_RATIOS)
    stretch = (wanted_variance / seen_variance.clamp_min(tiny)).clamp(*_VARIANCE_RATIOS)
    return own[0] + (wanted_mean - seen_mean) * scale, own[1] * stretch


def save_reference(reference: Reference, path: Path) -> None:
    """Write a reference; OutputError when it cannot be written."""
    flat = {
        f"{size}/{name}": value.contiguous()
        for size, named in reference.items()
        for name, value in named.items()
    }
    write_atomically(path, save(flat))


def load_reference(path: Path) -> Reference:
    """Read what ``save_reference`` wrote; CheckpointError when it is anything else."""
    reference: dict[int, dict[str, Tensor]] = {}
    try:
        for key, value in load(path.read_bytes()).items():
            size, _, name = key.partition("/")
            reference.setdefault(int(size), {})[name] = value
    except (OSError, SafetensorError, ValueError) as error:
        raise CheckpointError(
            f"{path} holds no statistics of a supernet ({error}); restore it, or name your own "
            "images with --data"
        ) from error
    return reference
