"""Small supernets, images and comparisons for the tests that need torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar, overload

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sartor.specializer.supernets.elastic import ElasticSupernet
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.specializer.supernets.supernet import SupernetSpec

S = TypeVar("S", bound=SupernetSpec)

SMALL = MobileNetV3(width=0.25, classes=3, resolutions=(32, 48))


@overload
def random_supernet(*, seed: int = 0) -> ElasticSupernet[MobileNetV3]: ...


@overload
def random_supernet(spec: S, seed: int = 0) -> ElasticSupernet[S]: ...


def random_supernet(spec: SupernetSpec = SMALL, seed: int = 0) -> ElasticSupernet[SupernetSpec]:
    """Make a supernet in which every tensor is random, statistics included."""
    supernet = ElasticSupernet(spec)
    generator = torch.Generator().manual_seed(seed)
    for name, value in supernet.state_dict().items():
        noise = torch.rand(value.shape, generator=generator)
        if name.endswith(("running_mean", "bias")):
            value.copy_(noise - 0.5)
        elif name.endswith("running_var") or ".bn" in name:
            value.copy_(noise + 0.5)
        elif name.endswith("_matrix"):
            value.add_(noise - 0.5, alpha=0.2)
        else:
            fan_in = value[0].numel()
            value.copy_((noise - 0.5) * (12 / fan_in) ** 0.5)
    return supernet


def random_images(count: int, size: int, seed: int = 0) -> Tensor:
    """Draw images of (count, 3, size, size), as normalised ones are."""
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def relative_difference(got: Tensor, expected: Tensor) -> float:
    """Return the largest difference as a share of the largest expected value."""
    return float((got - expected).abs().max() / expected.abs().max())


def draw_images(root: Path, classes: Sequence[str], count: int) -> Path:
    """Draw photos of a sort into ``root/CLASS``, each class in a colour of its own."""
    rng = np.random.default_rng(0)
    for label, name in enumerate(classes):
        folder = root / name
        folder.mkdir(parents=True)
        for index in range(count):
            pixels = rng.integers(0, 80, (40, 56, 3)) + 150 * (np.arange(3) == label % 3)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{index}.jpg")
    return root
