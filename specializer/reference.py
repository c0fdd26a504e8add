"""Synthetic recalibration, corrected by what reference networks saw in photos.

Synthetic images give a network's BatchNorms nearly the statistics that photos would give, and what
they miss, they miss in related networks alike. For a few networks, the supernet's largest and its
smallest at each resolution, the statistics from photos ship with the supernet. So the synthetic
images run through those at the same resolution, too, and how far each channel is off there corrects
the same channel of the network at hand: a control variate. Of several references that have the
channel, the mean correction counts, the more the nearer the reference is (inverse distance
weighting: Shepard, A two-dimensional interpolation function for irregularly-spaced data, 1968).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ..tables.atomic import write_atomically
from ..tables.errors import CheckpointError, FormatError
from .calibration_set import calibration_batches
from .extract import WeightSharing, extract
from .network import Network, TensorMap
from .recalibrate import recalibrate
from .region import extremes
from .space import SearchSpace, SubNetwork

Reference = Mapping[SubNetwork, TensorMap]
"""BatchNorm statistics from photos of some sub-networks."""

_VARIANCE_RATIOS = (0.2, 5.0)
_SCALE_RATIOS = (0.3, 3.0)
"""A channel that is all but constant in one of the networks tells nothing about the other."""

_SAME = 1e-6
"""Choices in which a network differs from itself, for a weight that is finite."""


def reference_subnetworks(space: SearchSpace) -> list[SubNetwork]:
    """List the largest and the smallest sub-network at each resolution."""
    ends = space.genes(np.array(extremes(space), np.int16))
    listed = np.repeat(ends[None], space.axis_counts[0], axis=0)
    listed[..., 0] = np.arange(space.axis_counts[0])[:, None]
    rows = space.networks(listed.reshape(-1, ends.shape[1])).tolist()
    return [tuple(row) for row in rows]


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

    Raises:
        CheckpointError: the reference is of another supernet.
    """
    network = extract(supernet, subnetwork)
    device = next(iter(network.weights.values())).device
    batches = [batch.to(device) for batch in calibration_batches(images, network.resolution)]
    synthetic = recalibrate(network, batches)
    mended = _Mended(statistics(synthetic))
    for related, wanted in reference.items():
        if supernet.spec.resolution(related) == network.resolution:
            seen = statistics(recalibrate(extract(reference_of or supernet, related), batches))
            _check(supernet.spec.space.text(related), wanted, seen)
            weight = _nearness(subnetwork, related)
            mended.learn(seen, {name: wanted[name].to(device) for name in seen}, weight)
    return Network(network.graph, {**synthetic.weights, **mended.statistics()}, network.eps)


def _check(related: str, wanted: TensorMap, seen: TensorMap) -> None:
    """Raise CheckpointError where a reference is not of this supernet."""
    for name, value in seen.items():
        if name not in wanted or wanted[name].shape != value.shape:
            raise CheckpointError(
                f"the supernet's statistics lack {name} of {related}, or have it of another width; "
                "restore them, or name your own images with --data"
            )


def _nearness(one: SubNetwork, other: SubNetwork) -> float:
    """Weigh a reference by the choices in which it differs; one that differs in none is enough."""
    return 1 / max(sum(a != b for a, b in zip(one, other, strict=True)), _SAME)


class _Mended:
    """A network's statistics, with what references say is wrong with them."""

    def __init__(self, own: TensorMap) -> None:
        self._own = own
        self._sums: dict[str, Tensor] = {}

    def learn(self, seen: TensorMap, wanted: TensorMap, weight: float) -> None:
        """Take in what a reference saw in the same images, and what it sees in photos."""
        for mean, variance in _pairs(seen):
            if mean not in self._own:
                continue
            channels = min(len(self._own[mean]), len(seen[mean]))
            own, from_images, from_photos = (
                (named[mean][:channels], named[variance][:channels])
                for named in (self._own, seen, wanted)
            )
            shift, stretch = _correction(own, from_images, from_photos)
            sums = self._sums.setdefault(mean, torch.zeros_like(self._own[mean]).repeat(3, 1))
            sums[:, :channels] += weight * torch.stack([shift, stretch, torch.ones_like(shift)])

    def statistics(self) -> dict[str, Tensor]:
        """Return means and variances; a channel that no reference has is as the images say."""
        found = dict(self._own)
        for mean, variance in _pairs(self._own):
            if mean in self._sums:
                shift, stretch, weight = self._sums[mean]
                weight = weight.clamp_min(torch.finfo(weight.dtype).tiny)
                found[mean] = found[mean] + shift / weight
                found[variance] = found[variance] * (stretch / weight).exp()
        return found


def _pairs(named: TensorMap) -> list[tuple[str, str]]:
    """Return the names of (mean, variance) of every BatchNorm."""
    stems = [name.removesuffix("mean") for name in named if name.endswith("running_mean")]
    return [(f"{stem}mean", f"{stem}var") for stem in stems]


def _correction(
    own: tuple[Tensor, Tensor], seen: tuple[Tensor, Tensor], wanted: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Return what to add to the mean, and to the logarithm of the variance: (channels,) each.

    Each argument is (mean, variance): of the network at hand, and of a reference with the same
    images and with photos.
    """
    tiny = torch.finfo(torch.float32).tiny
    scale = (own[1] / seen[1].clamp_min(tiny)).sqrt().clamp(*_SCALE_RATIOS)
    stretch = (wanted[1] / seen[1].clamp_min(tiny)).clamp(*_VARIANCE_RATIOS)
    return (wanted[0] - seen[0]) * scale, stretch.log()


def save_reference(reference: Reference, space: SearchSpace, path: Path) -> None:
    """Write a reference; OutputError when it cannot be written."""
    flat = {
        f"{space.text(subnetwork)}/{name}": value.contiguous()
        for subnetwork, named in reference.items()
        for name, value in named.items()
    }
    write_atomically(path, save(flat))


def load_reference(path: Path, space: SearchSpace) -> Reference:
    """Read what ``save_reference`` wrote; CheckpointError when it is anything else."""
    reference: dict[SubNetwork, dict[str, Tensor]] = {}
    try:
        for key, value in load(path.read_bytes()).items():
            text, _, name = key.partition("/")
            reference.setdefault(space.parse(text), {})[name] = value
    except (OSError, SafetensorError, FormatError) as error:
        raise CheckpointError(
            f"{path} holds no statistics of a supernet ({error}); restore it, or name your own "
            "images with --data"
        ) from error
    return reference
