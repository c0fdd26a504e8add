"""Accuracy of a network on labelled images, on any device of torch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from ..tables.errors import RuntimeMissingError, UnknownNameError
from .images import DECODING_THREADS, ImageFolder, centre_crop, normalise_pixels, open_image
from .network import Network, RunningNorm, graph_tensors, run_graph

DEVICES = ("auto", "cpu", "cuda")

BATCH = 64
"""Images at once: what fits a CPU's cache. Recalibration keeps to it on every device, because the
statistics within a batch depend on its size, and accuracies from two devices must compare."""
BATCH_ON_ACCELERATOR = 512
"""Images at once where launching a kernel costs more than small batches save."""


def torch_device(name: str) -> str:
    """Return the name of the device that torch shall compute on.

    Args:
        name: ``cpu``, ``cuda``, or ``auto`` for a GPU where there is one.

    Raises:
        RuntimeMissingError: torch sees no GPU, and one was asked for.
        UnknownNameError: it is none of these.
    """
    if name not in DEVICES:
        raise UnknownNameError("device of torch", name, DEVICES)
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise RuntimeMissingError(
            f"torch {torch.__version__} sees no GPU here; install a build for CUDA, "
            "or take --device cpu"
        )
    return name


@dataclass(frozen=True, slots=True)
class LabelledPixels:
    """Images decoded once, to be evaluated many times; both tensors on one device.

    Attributes:
        pixels: bytes, (N, 3, size, size).
        labels: (N,).
    """

    pixels: Tensor
    labels: Tensor

    def to(self, device: str) -> LabelledPixels:
        """Return the same images on a device."""
        return LabelledPixels(self.pixels.to(device), self.labels.to(device))

    def batches(self) -> Iterator[Tensor]:
        """Yield the images normalised, in batches of nearly one size, for ``recalibrate``.

        A last batch of one image would have no variance where a layer is one pixel wide.
        """
        parts = max(1, math.ceil(len(self.pixels) / BATCH))
        return map(normalise_pixels, self.pixels.tensor_split(parts))


def decode(folder: ImageFolder, size: int) -> LabelledPixels:
    """Decode the central square of every image at (size, size) pixels, on all cores.

    Raises:
        DatasetError: an image cannot be read.
    """
    pixels = np.empty((len(folder), 3, size, size), np.uint8)

    def read(index: int) -> None:
        image = np.asarray(centre_crop(open_image(folder.paths[index]), size))
        pixels[index] = image.transpose(2, 0, 1)

    with ThreadPoolExecutor(DECODING_THREADS) as threads:  # Pillow decodes without the GIL
        for _ in threads.map(read, range(len(folder))):
            pass
    return LabelledPixels(torch.from_numpy(pixels), torch.tensor(folder.labels))


@dataclass(frozen=True, slots=True)
class Score:
    """How a network did on labelled images.

    Attributes:
        top1: share of images, 0–1, whose highest logit is their label's.
        log_likelihood: mean natural logarithm of the probability of the label, at most 0; of the
            same images it tells two networks apart with less noise.
    """

    top1: float
    log_likelihood: float


def top1(network: Network, images: LabelledPixels) -> float:
    """Return the share of images, 0–1, that a network gets right; see ``score``."""
    return score(network, images).top1


def score(network: Network, images: LabelledPixels) -> Score:
    """Let a network answer labelled images.

    On a CPU the network is computed as it is deployed, BatchNorm folded, which is faster there;
    elsewhere folding, which is done by NumPy, would take longer than it saves.

    Args:
        network: on the device of the images.
        images: of its resolution.
    """
    graph, weights, norm = network.graph, network.weights, RunningNorm(network.eps)
    batch, device = BATCH_ON_ACCELERATOR, images.labels.device
    if device.type == "cpu":
        graph = network.deployed()
        weights, batch = graph_tensors(graph), BATCH
    right = torch.zeros((), dtype=torch.int64, device=device)
    log_likelihood = torch.zeros((), dtype=torch.float64, device=device)
    with torch.inference_mode():
        for pixels, labels in zip(
            images.pixels.split(batch), images.labels.split(batch), strict=True
        ):
            logits = run_graph(graph, weights, normalise_pixels(pixels), norm)
            right += (logits.argmax(1) == labels).sum()
            log_likelihood -= functional.cross_entropy(logits.double(), labels, reduction="sum")
    count = len(images.labels)
    return Score(int(right) / count, float(log_likelihood) / count)
