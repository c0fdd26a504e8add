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
    if parts := split_folders(root):
        rest = ImageFolder.scan(parts[0])
        validation = ImageFolder.scan(parts[1], rest.classes)
        count = _share(rest, held_out)
    else:
        everything = ImageFolder.scan(root)
        count = _share(everything, held_out)
        rest, validation = everything.split(count, seed)
    trained, chooser = rest.split(count, seed)
    for label, name in enumerate(trained.classes):
        if label not in trained.labels:
            raise DatasetError(
                f"the class {name} has so few images that all of them were held out; add some"
            )
    return Dataset(trained, chooser, validation)


def split_folders(root: Path) -> tuple[Path, Path] | None:
    """Return the folders ``train`` and ``val`` of a dataset that is split; None where it is not.

    A folder ``train`` that holds images is a class of that name.

    Raises:
        DatasetError: there are images to train on and none to validate with.
    """
    train, validation = root / TRAIN, root / VALIDATION
    if not train.is_dir() or not any(path.is_dir() for path in train.glob("*")):
        return None
    if not validation.is_dir():
        raise DatasetError(
            f"{root} has {TRAIN}/ but no {VALIDATION}/; name {train} if all images are there, or "
            f"put those to validate with into {validation}"
        )
    return train, validation


def _share(folder: ImageFolder, share: float) -> int:
    return max(1, round(len(folder) * share))
