"""Supernets by name: those that ship with Sartor, and the user's own files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..tables.errors import UnknownNameError
from .description import SUFFIX, read_description
from .supernets.mobilenet_v3 import MobileNetV3

ASSETS = Path(__file__).with_name("assets")

_WEIGHTS, _ACCURACY = f"supernet{SUFFIX}", "accuracy.npz"
_CALIBRATION, _REFERENCE = "calibration.jpg", "reference.safetensors"


@dataclass(frozen=True, slots=True)
class SupernetFiles:
    """Where the parts of a supernet lie.

    Attributes:
        weights: for ``load_supernet``.
        accuracy: of its accuracy predictor, where it has one.
        calibration: of its synthetic images for recalibration, where it has some: a contact sheet
            of square tiles as wide as the supernet's highest resolution.
        reference: of the statistics that correct them, where it has some.
    """

    weights: Path
    accuracy: Path | None = None
    calibration: Path | None = None
    reference: Path | None = None


def shipped_supernets() -> tuple[str, ...]:
    """List the supernets that ship with Sartor by name, sorted."""
    return tuple(sorted(path.parent.name for path in ASSETS.glob(f"*/{_WEIGHTS}")))


def find_supernet(name_or_path: str) -> SupernetFiles:
    """Find the files of a supernet.

    Args:
        name_or_path: the name of a shipped one; or a file of weights; or a folder with such files
            under the names that the shipped ones have.

    Raises:
        UnknownNameError: it is none of these; the message lists the shipped ones.
    """
    if name_or_path in shipped_supernets():
        return _in_folder(ASSETS / name_or_path)
    path = Path(name_or_path)
    if path.is_file():
        return SupernetFiles(path)
    if (path / _WEIGHTS).is_file():
        return _in_folder(path)
    raise UnknownNameError(
        "supernet", name_or_path, shipped_supernets(), "or name a file of weights"
    )


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


def _in_folder(folder: Path) -> SupernetFiles:
    def there(name: str) -> Path | None:
        return folder / name if (folder / name).is_file() else None

    return SupernetFiles(
        folder / _WEIGHTS, there(_ACCURACY), there(_CALIBRATION), there(_REFERENCE)
    )
