"""What to evaluate sub-networks on, as plain values: every process makes the same of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..tables.errors import DatasetError
from .dataset import split_folders
from .evaluations import Evaluator
from .family import load_family
from .images import SUFFIXES, ImageFolder
from .shipped import find_supernet


@dataclass(frozen=True, slots=True)
class Assignment:
    """A supernet, and folders of images.

    Attributes:
        supernet: its name, as ``shipped.lasting_name`` gives it.
        data: ``ROOT/CLASS/IMAGE``, or ``ROOT/{train,val}/CLASS/IMAGE``: then ``val`` is judged on.
        recalibrate_with: a folder with images anywhere below it; where it is None they are taken
            from ``train``, or, where there is none, from ``data``, and not judged on.
        recalibration_images: how many are drawn to recalibrate BatchNorm with, at most.
        seed: of that draw.
        device: where torch computes.
    """

    supernet: str
    data: Path
    recalibrate_with: Path | None = None
    recalibration_images: int = 256
    seed: int = 0
    device: str = "cpu"

    def evaluator(self) -> Evaluator:
        """Load the supernet and list the images.

        Raises:
            CheckpointError: the supernet cannot be read.
            DatasetError: the folders are not of the supernet's classes, or have too few images.
        """
        family = load_family(find_supernet(self.supernet))
        calibration, judged = self._folders(family.whole.labels)
        return Evaluator(family.to(self.device), calibration, judged, self.device)

    def _folders(self, labels: tuple[str, ...]) -> tuple[ImageFolder, ImageFolder]:
        """List the images to recalibrate with, and those to judge on."""
        parts = split_folders(self.data)
        judged = ImageFolder.scan(parts[1] if parts else self.data, labels)
        if self.recalibrate_with is not None:
            return self._drawn(_any_images(self.recalibrate_with)), judged
        if parts:
            return self._drawn(ImageFolder.scan(parts[0], labels)), judged
        count = min(self.recalibration_images, len(judged) // 2)
        order = np.random.default_rng(self.seed).permutation(len(judged)).tolist()
        _require_two(count, self.data)
        return judged.subset(order[:count]), judged.subset(sorted(order[count:]))

    def _drawn(self, folder: ImageFolder) -> ImageFolder:
        _require_two(len(folder), folder.root)
        return folder.sample(self.recalibration_images, self.seed)


def _any_images(root: Path) -> ImageFolder:
    """List the images anywhere below a folder; their labels mean nothing."""
    paths = tuple(sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES))
    return ImageFolder(root, ("",), paths, (0,) * len(paths))


def _require_two(images: int, root: Path) -> None:
    if images < 2:
        raise DatasetError(
            f"{root} has too few images to recalibrate with; want at least 2, better 256"
        )
