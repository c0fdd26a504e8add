"""Photos in class folders, decoded one at a time and checked before hours are spent on them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..tables.errors import DatasetError
from .description import MEAN, STD

SUFFIXES = frozenset({".jpeg", ".jpg", ".png", ".bmp", ".webp"})
CENTRE_SHARE = 0.875
"""Share of the short side that evaluation looks at, as ImageNet evaluations do."""

DECODING_THREADS = min(4, os.cpu_count() or 1)
"""More of them decode no faster: Pillow takes Python's lock for every few rows, and with sixteen
threads on two cores it was slower than with one."""


@dataclass(frozen=True, slots=True)
class ImageFolder:
    """Images of known classes: ``ROOT/CLASS/IMAGE``.

    Attributes:
        classes: folder names, sorted; a label is an index into them.
        paths: sorted by class and name.
        labels: one per path.
    """

    root: Path
    classes: tuple[str, ...]
    paths: tuple[Path, ...]
    labels: tuple[int, ...]

    @classmethod
    def scan(cls, root: Path, classes: Sequence[str] | None = None) -> ImageFolder:
        """List a folder of class folders.

        Args:
            root: the folder.
            classes: what the classes must be (those of the training split), if known.

        Raises:
            DatasetError: no such folder, no classes, a class is missing or empty.
        """
        found = tuple(path.name for path in _listed(root) if path.is_dir())
        wanted = tuple(classes) if classes is not None else found
        if not wanted:
            raise DatasetError(f"{root} has no class folders; want {root}/CLASS/IMAGE.jpg")
        if missing := sorted(set(wanted) - set(found)):
            raise DatasetError(
                f"{root} has no folder for the class {_some(missing)}; "
                "want one folder of images for each class that the supernet knows"
            )
        if extra := sorted(set(found) - set(wanted)):
            raise DatasetError(
                f"{root} has a class that the supernet does not know: {_some(extra)}; "
                "move its folder elsewhere"
            )
        paths: list[Path] = []
        labels: list[int] = []
        for label, name in enumerate(wanted):
            images = [p for p in _listed(root / name) if p.suffix.lower() in SUFFIXES]
            if not images:
                raise DatasetError(
                    f"the class folder {root / name} has no images; put some there "
                    f"({', '.join(sorted(SUFFIXES))})"
                )
            paths += images
            labels += [label] * len(images)
        return cls(root, wanted, tuple(paths), tuple(labels))

    def __len__(self) -> int:
        return len(self.paths)

    def subset(self, indices: Sequence[int]) -> ImageFolder:
        """Return some of the images, in the order of ``indices``."""
        paths, labels = self.paths, self.labels
        return ImageFolder(
            self.root,
            self.classes,
            tuple(paths[index] for index in indices),
            tuple(labels[index] for index in indices),
        )

    def sample(self, count: int, seed: int) -> ImageFolder:
        """Draw up to ``count`` images, and leave them in random order.

        Images to recalibrate BatchNorm with have to be mixed: in batches of one class each, every
        layer normalises away what tells the classes apart, and the statistics are of no use.
        """
        order = np.random.default_rng(seed).permutation(len(self))
        return self.subset(order[:count].tolist())

    def split(self, held_out: int, seed: int) -> tuple[ImageFolder, ImageFolder]:
        """Part the images at random into (all but ``held_out``, ``held_out``)."""
        if not 0 < held_out < len(self):
            raise DatasetError(f"cannot hold out {held_out} of {len(self)} images")
        order = np.random.default_rng(seed).permutation(len(self)).tolist()
        return self.subset(sorted(order[held_out:])), self.subset(sorted(order[:held_out]))


def _some(names: Sequence[str]) -> str:
    """Name a few, and count the rest."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _listed(folder: Path) -> list[Path]:
    """List a folder, sorted; DatasetError when it cannot be."""
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise DatasetError(
            f"cannot list {folder}: {error.strerror}; want one folder of images per class"
        ) from error


def open_image(path: Path) -> Image.Image:
    """Decode an image as RGB; DatasetError names the file when it cannot be read."""
    try:
        with Image.open(path) as image:
            pixels: Image.Image = image.convert("RGB")
            return pixels
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DatasetError(
            f"cannot read the image {path} ({error}); replace or remove it"
        ) from error


def centre_crop(image: Image.Image, size: int) -> Image.Image:
    """Cut the central square out of an image and resize it to (size, size)."""
    width, height = image.size
    side = min(width, height) * CENTRE_SHARE
    left, top = (width - side) / 2, (height - side) / 2
    box = (left, top, left + side, top + side)
    return image.resize((size, size), Image.Resampling.BILINEAR, box)


def normalise_pixels(pixels: Tensor) -> Tensor:
    """Turn pixels, (N, 3, H, W) in 0–255, into what networks here expect (channels last)."""
    mean, std = (
        torch.tensor(value, device=pixels.device).view(1, 3, 1, 1) for value in (MEAN, STD)
    )
    scaled = (pixels.float() / 255 - mean) / std
    return scaled.contiguous(memory_format=torch.channels_last)
