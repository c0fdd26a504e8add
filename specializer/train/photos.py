"""Where training images come from: read from files each time, or decoded once into memory.

A processor that trains at a few hundred images a second reads files on the side. A GPU that trains
at thousands would wait for them, so where its memory holds all images decoded, they are kept there
and cropped there.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..images import CENTRE_SHARE, DECODING_THREADS, ImageFolder, open_image
from .crops import Crops, cut, random_crops
from .process import Process
from .recipe import Recipe

_MEMORY_SHARE = 0.25
"""Of a GPU's free memory, at most so much is filled with images."""

_LONGEST = 1.5
"""Longer images lose both ends before they are kept in memory."""


class Photos(Protocol):
    """The training images of one run.

    Attributes:
        threads: how many batches may be made at once, beside the training; 0 makes each when it is
            wanted.
    """

    threads: int

    def crop(
        self,
        indices: NDArray[np.int64],
        least_area: float,
        rng: np.random.Generator,
        sizes: tuple[int, ...],
    ) -> list[Tensor]:
        """Cut a random part out of each image.

        Args:
            indices: of the images in their folder: (N,).
            least_area: the smallest share of an image's area that is drawn, 0–1.
            rng: of every draw.
            sizes: of the results in pixels.

        Returns:
            For each size the same parts: pixels in 0–255, (N, 3, size, size).

        Raises:
            DatasetError: an image cannot be read.
        """
        ...


class FilePhotos:
    """Images that are read from their files each time that they are wanted."""

    def __init__(self, folder: ImageFolder, threads: int) -> None:
        self._paths = folder.paths
        self.threads = threads

    def crop(
        self,
        indices: NDArray[np.int64],
        least_area: float,
        rng: np.random.Generator,
        sizes: tuple[int, ...],
    ) -> list[Tensor]:
        """Cut a random part out of each image; see ``Photos``."""
        images = [open_image(self._paths[index]) for index in indices]
        crops = random_crops(np.array([image.size for image in images]), least_area, rng)
        return [_cut_all(images, crops, size) for size in sizes]


class MemoryPhotos:
    """Images that lie decoded in the memory of the device that trains.

    Args:
        folder: of the images.
        largest: the largest size that will be asked for, in pixels; much larger images are kept
            smaller.
        device: where torch computes.

    Raises:
        DatasetError: an image cannot be read.
    """

    threads = 0

    def __init__(self, folder: ImageFolder, largest: int, device: torch.device) -> None:
        side = stored_side(largest)
        with ThreadPoolExecutor(DECODING_THREADS) as pool:
            images = list(pool.map(lambda path: _stored(path, side), folder.paths))
        self._sizes = np.array([image.shape[1::-1] for image in images])
        width, height = self._sizes.max(axis=0)
        pixels = torch.empty((len(images), 3, height, width), dtype=torch.uint8)
        for index, image in enumerate(images):
            missing = (height - image.shape[0], width - image.shape[1])
            padded = np.pad(image, ((0, missing[0]), (0, missing[1]), (0, 0)), "edge")
            pixels[index] = torch.from_numpy(padded).permute(2, 0, 1)
        self._pixels = pixels.to(device)

    def crop(
        self,
        indices: NDArray[np.int64],
        least_area: float,
        rng: np.random.Generator,
        sizes: tuple[int, ...],
    ) -> list[Tensor]:
        """Cut a random part out of each image; see ``Photos``.

        Four bilinear samples are averaged for each pixel, so that parts twice as large as the
        result are as smooth as Pillow makes them.
        """
        device = self._pixels.device
        crops = random_crops(self._sizes[indices], least_area, rng)
        images = self._pixels[torch.from_numpy(indices).to(device)].float()
        boxes = torch.from_numpy(crops.boxes).to(device, torch.float32)
        mirrored = torch.from_numpy(crops.mirrored).to(device)
        return [_sample(images, boxes, mirrored, size) for size in sizes]


def stored_side(largest: int) -> int:
    """Return how many pixels of the short side are worth keeping for crops of that size."""
    return round(largest / CENTRE_SHARE)


def open_photos(recipe: Recipe, folder: ImageFolder, process: Process, threads: int) -> Photos:
    """Open training images: in a GPU's memory where all of them find room there, else as files.

    Args:
        recipe: tells the sizes that will be wanted.
        folder: of the images.
        process: where torch computes.
        threads: that read files beside the training.

    Raises:
        DatasetError: an image cannot be read.
    """
    largest = max(*recipe.resolutions, recipe.teacher_resolution)
    if process.device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(process.device)
        wanted = len(folder) * 3 * (stored_side(largest) * _LONGEST) ** 2
        if wanted < _MEMORY_SHARE * free:
            return MemoryPhotos(folder, largest, process.device)
    return FilePhotos(folder, threads)


def _cut_all(images: list[Image.Image], crops: Crops, size: int) -> Tensor:
    pixels = np.stack(
        [
            np.asarray(cut(image, box, size, mirrored=bool(mirrored)))
            for image, box, mirrored in zip(images, crops.boxes, crops.mirrored, strict=True)
        ]
    )
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def _stored(path: Path, side: int) -> NDArray[np.uint8]:
    """Decode an image, no larger than is of use: (height, width, 3)."""
    image = open_image(path)
    width, height = image.size
    short = min(width, height)
    kept = (min(width, round(short * _LONGEST)), min(height, round(short * _LONGEST)))
    left, top = (width - kept[0]) // 2, (height - kept[1]) // 2
    image = image.crop((left, top, left + kept[0], top + kept[1]))
    if short > side:
        smaller = (round(kept[0] * side / short), round(kept[1] * side / short))
        image = image.resize(smaller, Image.Resampling.BILINEAR)
    return np.asarray(image)


def _sample(images: Tensor, boxes: Tensor, mirrored: Tensor, size: int) -> Tensor:
    """Cut boxes out of images: (N, 3, H, W) to (N, 3, size, size)."""
    height, width = images.shape[-2:]
    steps = (torch.arange(2 * size, device=images.device) + 0.5) / (2 * size)
    across = torch.where(mirrored[:, None], 1 - steps, steps)
    x = (boxes[:, :1] + across * boxes[:, 2:3]) / width * 2 - 1
    y = (boxes[:, 1:2] + steps * boxes[:, 3:4]) / height * 2 - 1
    shape = (len(images), 2 * size, 2 * size)
    grid = torch.stack([x[:, None, :].expand(shape), y[:, :, None].expand(shape)], dim=3)
    sampled = functional.grid_sample(images, grid, "bilinear", "border", align_corners=False)
    return functional.avg_pool2d(sampled, 2)
