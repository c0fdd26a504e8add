"""The report: what was promised, what was measured, and a picture of both."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from torch import Tensor

from ..devices.device import Device
from ..tables.atomic import write_atomically
from .calibration_set import calibration_batches, synthetic_images
from .evaluate import decode
from .export import exported
from .images import ImageFolder, normalise_pixels
from .shipped import find_supernet
from .specialization import Choice, load_specialization
from .verify import Proof, verify


@dataclass(frozen=True, slots=True)
class Report:
    """A specialization together with the proofs of its artefacts."""

    choice: Choice
    proofs: tuple[Proof, ...]

    @property
    def holds(self) -> bool:
        """Whether every artefact computes what it should, within the budget."""
        return all(proof.holds for proof in self.proofs)

    def document(self) -> dict[str, object]:
        """Return the report as an object of JSON."""
        proofs = [asdict(proof) | {"holds": proof.holds} for proof in self.proofs]
        return {"holds": self.holds, "choice": asdict(self.choice), "proofs": proofs}


def make_report(
    folder: Path,
    device: Device,
    runtimes: Sequence[str],
    threads: int,
    data: Path | None,
    images: int,
    progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """Run a specialization's artefacts on a device and judge them.

    Args:
        folder: that ``sartor specialize`` and ``sartor export`` wrote.
        device: to run on.
        runtimes: whose artefacts to run.
        threads: that they may use.
        data: the user's labelled images; without, the synthetic ones are compared on.
        images: how many, at most.
        progress: told what is being done.
    """
    specialization = load_specialization(folder)
    choice, network = specialization.choice, specialization.network
    pixels, labels = _inputs(choice, network.resolution, data, images)
    artefacts = exported(folder, runtimes)
    budget_ms = choice.budget_ms
    proofs = verify(
        network, artefacts, device, budget_ms, pixels, labels, threads=threads, progress=progress
    )
    return Report(choice, proofs)


def save_report(report: Report, folder: Path) -> Path | None:
    """Write ``report.json`` and, where matplotlib is installed, ``report.png``; return the latter.

    Raises:
        OutputError: the folder cannot be written.
    """
    text = json.dumps(report.document(), indent=2) + "\n"
    write_atomically(folder / "report.json", text.encode())
    try:
        from .plot import report_png
    except ImportError:  # the picture is an extra; the numbers are in report.json
        return None
    write_atomically(folder / "report.png", report_png(report))
    return folder / "report.png"


def _inputs(
    choice: Choice, size: int, data: Path | None, count: int
) -> tuple[Tensor, list[int] | None]:
    """Prepare real images to compare on: (N, 3, size, size), and their labels where known."""
    if data is None:
        files = find_supernet(choice.supernet)
        shipped = synthetic_images(choice.supernet, files, choice.resolutions[-1])[:count]
        (batch, *_) = calibration_batches(shipped, size)
        return batch, None
    folder = ImageFolder.scan(data, choice.labels)
    step = max(1, len(folder) // count)
    labelled = decode(folder.subset(range(0, step * min(count, len(folder)), step)), size)
    return normalise_pixels(labelled.pixels), labelled.labels.tolist()
