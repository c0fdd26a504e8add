"""Supernets by name: those that ship with Sartor, the user's files, and the user's own code.

A supernet is a file of weights, ``NAME.safetensors``; whatever belongs to it lies beside it and is
called ``NAME.PART``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..tables.errors import UnknownNameError
from .description import SUFFIX, bare_name, read_description
from .own import OwnSupernet, find_own, names_own
from .supernets.supernet import SupernetSpec

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
        own: what the user's own code says of it, where it is the user's own.
    """

    weights: Path
    accuracy: Path | None = None
    calibration: Path | None = None
    reference: Path | None = None
    regions: tuple[Path, ...] = ()
    own: OwnSupernet | None = None


def shipped_supernets() -> tuple[str, ...]:
    """List the supernets that ship with Sartor by name, sorted."""
    names = (path.name.removesuffix(SUFFIX) for path in ASSETS.glob(f"*{SUFFIX}"))
    return tuple(sorted(name for name in names if "." not in name))


def part_of(weights: Path, part: str) -> Path:
    """Return where a part of the supernet in ``NAME.safetensors`` lies: in ``NAME.PART``."""
    return weights.with_name(f"{bare_name(weights)}.{part}")


def lasting_name(name: str) -> str:
    """Return a supernet's name such that it means the same in any folder."""
    known = name in shipped_supernets() or (names_own(name) and not Path(name).is_file())
    return name if known else str(Path(name).resolve())


def find_supernet(name: str) -> SupernetFiles:
    """Find the files of a supernet.

    Args:
        name: of a shipped one, a file of weights, or ``MODULE:ATTRIBUTE``, an ``OwnSupernet``.

    Raises:
        UnknownNameError: it is none of these; the message lists the shipped ones.
        CheckpointError: the module cannot be imported, or has no such supernet.
    """
    path, own = Path(name), None
    if name in shipped_supernets():
        path = ASSETS / f"{name}{SUFFIX}"
    elif names_own(name) and not path.is_file():
        own = find_own(name)
        path = own.weights
    elif not path.is_file():
        raise UnknownNameError(
            *("supernet", name, shipped_supernets()),
            "or name a file of weights, or MODULE:ATTRIBUTE for one of your own",
        )

    def there(part: str) -> Path | None:
        return found if (found := part_of(path, part)).is_file() else None

    prefix = part_of(path, f"{REGION}-").name
    beside = sorted(path.parent.iterdir()) if own is None else []
    regions = tuple(p for p in beside if p.name.startswith(prefix) and p.suffix == SUFFIX)
    return SupernetFiles(path, there(ACCURACY), there(CALIBRATION), there(REFERENCE), regions, own)


def find_spec(name: str) -> SupernetSpec:
    """Read what sub-networks a supernet has; needs torch only for files of others.

    Raises:
        UnknownNameError: there is no such supernet.
        CheckpointError: its file, or its module, cannot be used.
    """
    files = find_supernet(name)
    if files.own is not None:
        return files.own.spec
    if files.weights.suffix == SUFFIX:
        return read_description(files.weights).spec
    from .checkpoint import load_supernet

    return load_supernet(files.weights).supernet.spec
