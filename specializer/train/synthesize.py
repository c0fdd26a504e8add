"""Synthetic images that carry a supernet's statistics, so that it ships with no photographs.

Noise is changed until every BatchNorm of several sub-networks sees in it the mean and variance
that it saw in the training photos, and until the network finds in each image the class that it
was given. Recalibration needs those statistics and nothing else.

Source: Yin et al., Dreaming to distill (DeepInversion), CVPR 2020, section 3.2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as functional
from PIL import Image
from torch import Tensor

from ..description import MEAN, STD
from ..network import BatchStatisticsNorm, Network, TensorMap, run_graph

LEARNING_RATE = 0.1
CLASS_WEIGHT = 0.1
SMOOTHNESS_WEIGHT = 0.02


def synthesize(
    networks: Sequence[Network],
    count: int,
    size: int,
    steps: int,
    seed: int,
    report: Callable[[int, float], None],
) -> list[Image.Image]:
    """Make images whose statistics in every network are those that its BatchNorms hold.

    Args:
        networks: recalibrated on photos, on one device; they take turns.
        count: of images, their classes in turns.
        size: of each image in pixels.
        steps: of the optimizer.
        seed: of the noise that it begins with.
        report: told the step and its loss.
    """
    device = next(iter(networks[0].weights.values())).device
    generator = torch.Generator().manual_seed(seed)
    pixels = _noise(count, size, generator).to(device).requires_grad_()
    optimizer = torch.optim.Adam([pixels], LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    low, high = (bound.to(device) for bound in _bounds())
    for step in range(steps):
        loss = _mismatch(networks[step % len(networks)], pixels)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            pixels.clamp_(low, high)
        report(step + 1, loss.item())
    return _images(pixels.detach().cpu())


class _MatchingNorm:
    """BatchNorm by the batch's statistics that adds up how far they are from the stored ones."""

    def __init__(self, eps: float) -> None:
        self._norm = BatchStatisticsNorm(eps)
        self._eps = eps
        self.mismatch: Tensor | float = 0.0

    def __call__(self, tensor: Tensor, node: str, weights: TensorMap) -> Tensor:
        variance, mean = torch.var_mean(tensor, (0, 2, 3), correction=0)
        wanted_mean = weights[f"{node}.norm.running_mean"]
        wanted_variance = weights[f"{node}.norm.running_var"] + self._eps
        shift = (mean - wanted_mean) ** 2 / wanted_variance
        stretch = torch.log((variance + self._eps) / wanted_variance) ** 2
        self.mismatch = self.mismatch + (shift + stretch).mean()
        return self._norm(tensor, node, weights)


def _mismatch(network: Network, pixels: Tensor) -> Tensor:
    norm = _MatchingNorm(network.eps)
    size = (network.resolution, network.resolution)
    images = functional.interpolate(pixels, size, mode="bilinear", antialias=True)
    logits = run_graph(network.graph, network.weights, images, norm)
    classes = torch.arange(len(pixels), device=pixels.device) % logits.shape[1]
    rough = (pixels.diff(dim=2) ** 2).mean() + (pixels.diff(dim=3) ** 2).mean()
    wrong = functional.cross_entropy(logits, classes)
    return norm.mismatch + CLASS_WEIGHT * wrong + SMOOTHNESS_WEIGHT * rough


def _noise(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Draw noise of several scales, coarse ones the strongest, as in photos."""
    noise = torch.zeros(count, 3, size, size)
    for cells in (1, 2, 5, 10, 20, 40, size):
        layer = torch.randn(count, 3, cells, cells, generator=generator)
        noise += 0.4 * functional.interpolate(layer, (size, size), mode="bilinear")
    return noise.contiguous(memory_format=torch.channels_last)


def _bounds() -> tuple[Tensor, Tensor]:
    mean, deviation = (torch.tensor(value).view(1, 3, 1, 1) for value in (MEAN, STD))
    return -mean / deviation, (1 - mean) / deviation


def _images(pixels: Tensor) -> list[Image.Image]:
    mean, deviation = (torch.tensor(value).view(1, 3, 1, 1) for value in (MEAN, STD))
    levels = ((pixels * deviation + mean) * 255).round().clamp(0, 255).to(torch.uint8)
    return [Image.fromarray(np.ascontiguousarray(image)) for image in levels.permute(0, 2, 3, 1)]
