"""Random crops: which part of each training image is looked at, and cutting it out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image


@dataclass(frozen=True, slots=True, eq=False)
class Crops:
    """One part of each of several images.

    Attributes:
        boxes: left, top, width and height in pixels: (N, 4).
        mirrored: whether left and right change places: (N,).
    """

    boxes: NDArray[np.int64]
    mirrored: NDArray[np.bool_]


def random_crops(sizes: NDArray[np.int64], least_area: float, rng: np.random.Generator) -> Crops:
    """Draw a part of each image: some of its area, at a random place and nearly square.

    Source: random resized cropping of Szegedy et al., Going deeper with convolutions, CVPR 2015,
    section 6.

    Args:
        sizes: width and height of each image in pixels: (N, 2).
        least_area: the smallest share of an image's area that is drawn, 0–1.
        rng: of every draw.
    """
    count = len(sizes)
    area = sizes.prod(axis=1) * rng.uniform(least_area, 1.0, count)
    aspect = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3), count))
    wanted = np.sqrt(np.stack([area * aspect, area / aspect], axis=1))
    extent = np.clip(np.rint(wanted), 1, sizes).astype(np.int64)
    corner = rng.integers(0, sizes - extent + 1)
    return Crops(np.concatenate([corner, extent], axis=1), rng.random(count) < 0.5)


def cut(image: Image.Image, box: NDArray[np.int64], size: int, *, mirrored: bool) -> Image.Image:
    """Cut one box (left, top, width, height) out of an image and resize it to (size, size)."""
    left, top, width, height = map(int, box)
    part = (left, top, left + width, top + height)
    resized = image.resize((size, size), Image.Resampling.BILINEAR, part)
    return resized.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else resized
