"""The report: what was promised, what was measured, and a picture of both."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..devices.device import Device
from ..profiler.runtimes import find_runtime
from ..tables.atomic import write_atomically
from ..tables.errors import DatasetError
from .calibration_set import calibration_batches, synthetic_images
from .choice import Choice, Fit, Origin, model_file
from .costs.ceilings import MILLION
from .evaluate import decode
from .export import exported
from .images import ImageFolder, normalise_pixels
from .own import names_own
from .shipped import find_supernet
from .specialization import load_specialization
from .verify import Promise, Proof, verify


@dataclass(frozen=True, slots=True)
class Report:
    """A specialization together with the proofs of its artefacts."""

    choice: Choice
    proofs: tuple[Proof, ...]

    @property
    def holds(self) -> bool:
        """Whether every artefact computes what it should, within the budget."""
        return all(proof.holds for proof in self.proofs)

    @property
    def title(self) -> str:
        """What was made for what."""
        devices = dict.fromkeys(fit.target.device for fit in self.choice.fits)
        return f"{Path(self.choice.origin.supernet).name} for {' and '.join(devices)}"

    @property
    def fits(self) -> tuple[Fit, ...]:
        """The promises that the proofs are of, each once."""
        found = (self.choice.fit(proof.device, proof.runtime) for proof in self.proofs)
        return tuple({fit.target.table: fit for fit in found}.values())

    def document(self) -> dict[str, object]:
        """Return the report as an object of JSON."""
        proofs = [asdict(proof) | {"verdict": proof.verdict} for proof in self.proofs]
        return {"holds": self.holds, "choice": asdict(self.choice), "proofs": proofs}


def make_report(
    folder: Path,
    device: Device,
    runtimes: Sequence[str],
    *,
    threads: int,
    passes: int,
    data: Path | None,
    images: int,
    progress: Callable[[int, str], None] = lambda _done, _what: None,
) -> Report:
    """Run a specialization's artefacts on a device and judge them.

    Args:
        folder: that ``sartor specialize`` and ``sartor export`` wrote.
        device: to run on.
        runtimes: whose artefacts to run.
        threads: that they may use.
        passes: processes that each artefact is timed in.
        data: the user's labelled images; without, the synthetic ones are compared on.
        images: how many, at most.
        progress: told how many processes have ended, and what comes next.

    Raises:
        CheckpointError: the folder holds no specialization, or lacks an artefact.
        DatasetError: the images cannot be used.
        AgentError: an artefact does not run.
    """
    specialization = load_specialization(folder)
    choice, network = specialization.choice, specialization.network
    artefacts = exported(folder, runtimes)
    pixels, labels = _inputs(choice.origin, network.resolution, data, images)
    proofs = verify(
        network,
        artefacts,
        device,
        {runtime: _promise(choice, device.name, runtime) for runtime in runtimes},
        pixels,
        labels,
        threads=threads,
        passes=passes,
        progress=progress,
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


def _promise(choice: Choice, device: str, runtime: str) -> Promise:
    """Find what was promised of a runtime's file on a device."""
    most_mb = choice.most_mb(model_file(find_runtime(runtime).suffix))
    budget_ms = choice.fit(device, runtime).target.budget_ms
    return Promise(budget_ms, None if most_mb is None else most_mb * MILLION)


def _inputs(
    origin: Origin, size: int, data: Path | None, count: int
) -> tuple[Tensor, list[int] | None]:
    """Prepare real images to compare on: (N, 3, size, size), and their labels where known."""
    if data is None:
        if names_own(origin.supernet):  # the name stands in a file, so it must not be imported
            raise DatasetError(
                f"{origin.supernet}, which the network is of, is code of your own and ships with "
                "no images to compare on; name yours with --data"
            )
        files = find_supernet(origin.supernet)
        shipped = synthetic_images(origin.supernet, files, origin.resolutions[-1])[:count]
        return torch.cat(calibration_batches(shipped, size)), None
    folder = ImageFolder.scan(data, origin.labels)
    chosen = np.linspace(0, len(folder) - 1, min(count, len(folder))).round().astype(int)
    labelled = decode(folder.subset(chosen.tolist()), size)
    return normalise_pixels(labelled.pixels), labelled.labels.tolist()
