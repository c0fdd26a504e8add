"""Images for recalibration: the user's own, or the synthetic sheet that ships with a supernet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..tables.errors import DatasetError
from .images import SUFFIXES, centre_crop, normalise_pixels, open_image
from .shipped import SupernetFiles

BATCH = 64
MAX_IMAGES = 2000
"""As many as the reference implementation recalibrates with."""


def folder_images(root: Path, rng: np.random.Generator) -> list[Image.Image]:
    """Decode up to ``MAX_IMAGES`` images found anywhere below a folder, chosen at random.

    Returns:
        The square centre of each.

    Raises:
        DatasetError: there are none, or one cannot be read.
    """
    found = sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        raise DatasetError(f"no images below {root}; name a folder that has some")
    chosen = rng.permutation(len(found))[:MAX_IMAGES]
    images = (open_image(found[index]) for index in chosen)
    return [centre_crop(image, min(image.size)) for image in images]


def synthetic_images(supernet: str, files: SupernetFiles, tile: int) -> list[Image.Image]:
    """Cut the contact sheet that ships with a supernet into its images.

    Args:
        supernet: as the user named it.
        files: of the supernet.
        tile: width and height of each image in pixels.

    Raises:
        DatasetError: the supernet ships with none, or the sheet is no grid of such tiles.
    """
    if files.calibration is None:
        raise DatasetError(
            f"{supernet} ships with no images to recalibrate with; name yours with --data"
        )
    sheet = open_image(files.calibration)
    if sheet.width % tile or sheet.height % tile:
        raise DatasetError(f"{files.calibration} is no grid of {tile}-pixel tiles; restore it")
    return [
        sheet.crop((left, top, left + tile, top + tile))
        for top in range(0, sheet.height, tile)
        for left in range(0, sheet.width, tile)
    ]


def contact_sheet(images: list[Image.Image], columns: int) -> Image.Image:
    """Lay square images of one size out as the grid that ``synthetic_images`` cuts."""
    tile = images[0].width
    sheet = Image.new("RGB", (tile * columns, tile * (len(images) // columns)))
    for index, image in enumerate(images[: len(images) // columns * columns]):
        sheet.paste(image, (index % columns * tile, index // columns * tile))
    return sheet


def calibration_batches(images: Sequence[Image.Image], size: int) -> list[Tensor]:
    """Resize square images for ``recalibrate`` at an input resolution in pixels."""
    resized = (image.resize((size, size), Image.Resampling.BILINEAR) for image in images)
    pixels = np.stack([np.asarray(image) for image in resized])
    return [
        normalise_pixels(part) for part in torch.from_numpy(pixels).permute(0, 3, 1, 2).split(BATCH)
    ]
