"""A user's labelled images: what is trained on, what chooses, and what judges."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..tables.errors import DatasetError
from .images import ImageFolder

TRAIN, VALIDATION = "train", "val"


@dataclass(frozen=True, slots=True)
class Dataset:
    """Three sets of images that have none in common.

    Attributes:
        trained: weights and BatchNorm statistics come from these.
        held_out: sub-networks are compared, and predictors fitted, by these.
        validation: the record is about these; nothing is chosen by them.
    """

    trained: ImageFolder
    held_out: ImageFolder
    validation: ImageFolder

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the class folders, sorted."""
        return self.trained.classes


def open_dataset(root: Path, held_out: float, seed: int) -> Dataset:
    """Find the images in ``ROOT/{train,val}/CLASS`` or in ``ROOT/CLASS``.

    Args:
        root: the folder.
        held_out: share of the training images that is held out; where the folder has no ``val``,
            as many again are the validation images.
        seed: of the choice.

    Raises:
        DatasetError: no such folder; a class is empty, missing or unknown in one of the parts; or
            there are too few images to hold some out.
    """
    if not (root / TRAIN).is_dir():
        everything = ImageFolder.scan(root)
        count = _share(everything, held_out)
        rest, validation = everything.split(count, seed)
    else:
        rest = ImageFolder.scan(root / TRAIN)
        if not (root / VALIDATION).is_dir():
            raise DatasetError(
                f"{root} has {TRAIN}/ but no {VALIDATION}/; name {root / TRAIN} if all images are "
                f"there, or put those to validate with into {root / VALIDATION}"
            )
        validation = ImageFolder.scan(root / VALIDATION, rest.classes)
        count = _share(rest, held_out)
    trained, chooser = rest.split(count, seed)
    for label, name in enumerate(trained.classes):
        if label not in trained.labels:
            raise DatasetError(
                f"the class {name} has so few images that all of them were held out; add some"
            )
    return Dataset(trained, chooser, validation)


def _share(folder: ImageFolder, share: float) -> int:
    return max(1, round(len(folder) * share))
