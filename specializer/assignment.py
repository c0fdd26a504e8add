"""What to evaluate sub-networks on, as plain values: every process makes the same of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..tables.errors import DatasetError, FormatError
from .evaluations import Evaluator
from .family import load_family
from .images import SUFFIXES, ImageFolder
from .shipped import find_supernet
from .space import SearchSpace, SubNetwork

_CHUNK = 64


@dataclass(frozen=True, slots=True)
class Assignment:
    """A supernet in a file, and folders of images.

    Attributes:
        weights: the supernet's file.
        data: ``ROOT/CLASS/IMAGE``, or ``ROOT/{train,val}/CLASS/IMAGE``: then ``val`` is judged on.
        recalibrate_with: a folder with images anywhere below it; where it is None they are taken
            from ``train``, or, where there is none, from ``data``, and not judged on.
        recalibration_images: how many are drawn to recalibrate BatchNorm with, at most.
        seed: of that draw.
        device: where torch computes.
    """

    weights: Path
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
        family = load_family(find_supernet(str(self.weights)))
        calibration, judged = self._folders(family.whole.labels)
        return Evaluator(family.to(self.device), calibration, judged, self.device)

    def _folders(self, labels: tuple[str, ...]) -> tuple[ImageFolder, ImageFolder]:
        """List the images to recalibrate with, and those to judge on."""
        parts = self.data / "train", self.data / "val"
        split = all(part.is_dir() for part in parts) and not {"train", "val"} & set(labels)
        judged = ImageFolder.scan(parts[1] if split else self.data, labels)
        if self.recalibrate_with is not None:
            return self._drawn(_any_images(self.recalibrate_with)), judged
        if split:
            return self._drawn(ImageFolder.scan(parts[0], labels)), judged
        count = min(self.recalibration_images, len(judged) // 2)
        order = np.random.default_rng(self.seed).permutation(len(judged)).tolist()
        _require_two(count, self.data)
        return judged.subset(order[:count]), judged.subset(sorted(order[count:]))

    def _drawn(self, folder: ImageFolder) -> ImageFolder:
        _require_two(len(folder), folder.root)
        return folder.sample(self.recalibration_images, self.seed)


def draw_subnetworks(space: SearchSpace, count: int, seed: int) -> list[SubNetwork]:
    """Draw different random sub-networks, behind the largest and the smallest.

    More of them begin with the same ones, so that a longer run goes on where a shorter one ended.

    Args:
        space: to draw from.
        count: of random ones; two more are returned.
        seed: of the draw.

    Raises:
        FormatError: the space is too small for so many.
    """
    if count > space.size // 2:
        raise FormatError(
            f"{space.name} has {space.size} sub-networks, too few to draw {count} different ones; "
            f"ask for at most {space.size // 2}"
        )
    rng, drawn = np.random.default_rng(seed), dict.fromkeys([space.largest, space.smallest])
    extremes = len(drawn)
    while len(drawn) < count + extremes:
        drawn.update(dict.fromkeys(tuple(row) for row in space.random(_CHUNK, rng).tolist()))
    return list(drawn)[: count + extremes]


def _any_images(root: Path) -> ImageFolder:
    """List the images anywhere below a folder; their labels mean nothing."""
    paths = tuple(sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES))
    return ImageFolder(root, ("",), paths, (0,) * len(paths))


def _require_two(images: int, root: Path) -> None:
    if images < 2:
        raise DatasetError(
            f"{root} has too few images to recalibrate with; want at least 2, better 256"
        )
