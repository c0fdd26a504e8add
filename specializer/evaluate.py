"""Accuracy of a network on labelled images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .images import ImageFolder, centre_crop, normalise_pixels, open_image
from .network import Network, RunningNorm, graph_tensors, run_graph

BATCH = 64


@dataclass(frozen=True, slots=True)
class LabelledPixels:
    """Images decoded once, to be evaluated many times.

    Attributes:
        pixels: bytes, (N, 3, size, size).
        labels: (N,).
    """

    pixels: Tensor
    labels: Tensor

    def batches(self) -> list[Tensor]:
        """Return the images normalised, in batches, for ``recalibrate``."""
        return [normalise_pixels(part) for part in self.pixels.split(BATCH)]


def decode(folder: ImageFolder, size: int) -> LabelledPixels:
    """Decode the central square of every image at (size, size) pixels.

    Raises:
        DatasetError: an image cannot be read.
    """
    pixels = np.empty((len(folder), 3, size, size), np.uint8)
    for index, path in enumerate(folder.paths):
        image = np.asarray(centre_crop(open_image(path), size))
        pixels[index] = image.transpose(2, 0, 1)
    return LabelledPixels(torch.from_numpy(pixels), torch.tensor(folder.labels))


def top1(network: Network, images: LabelledPixels) -> float:
    """Return the share of images, 0–1, whose highest logit is their label's.

    The network is computed as it is deployed, BatchNorm folded, which is also faster.
    """
    graph = network.deployed()
    weights, norm = graph_tensors(graph), RunningNorm(0.0)
    right = 0
    for pixels, labels in zip(images.pixels.split(BATCH), images.labels.split(BATCH), strict=True):
        with torch.inference_mode():
            logits = run_graph(graph, weights, normalise_pixels(pixels), norm)
        right += int((logits.argmax(1) == labels).sum())
    return right / len(images.labels)
