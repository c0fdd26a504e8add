"""Supernets by name: those that ship with Sartor, and the user's own files.

A supernet is a file of weights, ``NAME.safetensors``; whatever belongs to it lies beside it and is
called ``NAME.PART``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..tables.errors import UnknownNameError
from .description import SUFFIX, read_description
from .supernets.mobilenet_v3 import MobileNetV3

ASSETS = Path(__file__).with_name("assets")

ACCURACY, CALIBRATION, REFERENCE = "accuracy.npz", "calibration.jpg", "reference.safetensors"
REGION = "region"


@dataclass(frozen=True, slots=True)
class SupernetFiles:
    """Where the parts of a supernet lie.

    Attributes:
        weights: for ``load_supernet``.
        accuracy: of its accuracy predictor, where it has one.
        calibration: of its synthetic images for recalibration, where it has some: a contact sheet
            of square tiles as wide as the supernet's highest resolution.
        reference: of the statistics that correct them, where it has some.
        regions: of the supernets that were fine-tuned for parts of its space, where it has some.
    """

    weights: Path
    accuracy: Path | None = None
    calibration: Path | None = None
    reference: Path | None = None
    regions: tuple[Path, ...] = ()


def shipped_supernets() -> tuple[str, ...]:
    """List the supernets that ship with Sartor by name, sorted."""
    names = (path.name.removesuffix(SUFFIX) for path in ASSETS.glob(f"*{SUFFIX}"))
    return tuple(sorted(name for name in names if "." not in name))


def part_of(weights: Path, part: str) -> Path:
    """Return where a part of the supernet in ``NAME.safetensors`` lies: in ``NAME.PART``."""
    return weights.with_name(f"{weights.name.removesuffix(weights.suffix)}.{part}")


def find_supernet(name_or_path: str) -> SupernetFiles:
    """Find the files of a supernet.

    Args:
        name_or_path: the name of a shipped one, or a file of weights.

    Raises:
        UnknownNameError: it is neither; the message lists the shipped ones.
    """
    path = Path(name_or_path)
    if name_or_path in shipped_supernets():
        path = ASSETS / f"{name_or_path}{SUFFIX}"
    elif not path.is_file():
        raise UnknownNameError(
            "supernet", name_or_path, shipped_supernets(), "or name a file of weights"
        )

    def there(part: str) -> Path | None:
        return found if (found := part_of(path, part)).is_file() else None

    prefix = part_of(path, f"{REGION}-").name
    beside = sorted(path.parent.iterdir())
    regions = tuple(p for p in beside if p.name.startswith(prefix) and p.suffix == SUFFIX)
    return SupernetFiles(path, there(ACCURACY), there(CALIBRATION), there(REFERENCE), regions)


def find_spec(name_or_path: str) -> MobileNetV3:
    """Read what sub-networks a supernet has; needs torch only for files of others.

    Raises:
        UnknownNameError: there is no such supernet.
        CheckpointError: its file cannot be used.
    """
    weights = find_supernet(name_or_path).weights
    if weights.suffix == SUFFIX:
        return read_description(weights).spec
    from .checkpoint import load_supernet

    return load_supernet(weights).supernet.spec
