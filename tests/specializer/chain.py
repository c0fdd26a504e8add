"""The whole chain with real parts, small: what users do, one command after another."""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from PIL import Image

from sartor.specializer.calibration_set import contact_sheet
from sartor.specializer.checkpoint import Checkpoint, save_supernet
from sartor.specializer.cli import main
from sartor.specializer.shipped import ACCURACY, CALIBRATION, part_of
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3

from .torch_tools import random_supernet
from .toy import fit_ridge

SPEC = MobileNetV3(width=0.25, classes=3, resolutions=(64, 96))
LABELS = ("cat", "dog", "owl")
BUDGET_MS = 1000.0
"""So much that no test depends on how fast the machine is."""
TILE = SPEC.resolutions[-1]


@dataclass(frozen=True)
class Finished:
    """What a command left behind."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:  # noqa: ANN401 (JSON is anything)
        """The result as JSON, when it was asked for and all went well."""
        assert self.exit_code == 0, self.stderr
        return json.loads(self.stdout)

    @property
    def complaint(self) -> str:
        """The one line that explains a failure."""
        assert self.exit_code == 1, self.stderr
        assert self.stdout == ""
        *notes, line = self.stderr.splitlines()
        assert line.startswith("sartor: ")
        assert "Traceback" not in self.stderr
        assert not any(note.startswith("sartor: ") for note in notes)
        return line


def sartor(*arguments: object) -> Finished:
    """Run the program in this process, which spares the import of torch each time."""
    stdout, stderr, code = io.StringIO(), io.StringIO(), 0
    argv = ["sartor", *map(str, arguments)]
    with patch.object(sys, "argv", argv), redirect_stdout(stdout), redirect_stderr(stderr):
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return Finished(code, stdout.getvalue(), stderr.getvalue())


def write_supernet(path: Path, classes: int = SPEC.classes) -> None:
    """Write a small supernet with all its parts, as they ship: everything in it is random."""
    rng = np.random.default_rng(0)
    labels = (*LABELS, *(f"bird{index}" for index in range(classes)))[:classes]
    checkpoint = Checkpoint("small", random_supernet(replace(SPEC, classes=classes)), labels)
    save_supernet(checkpoint, path)
    population = np.unique(SPEC.space.random(60, rng), axis=0)
    accuracies = 0.5 + 0.01 * population.mean(axis=1) + rng.normal(0, 0.002, len(population))
    fit_ridge(SPEC.space, population, accuracies, rng).predictor.save(part_of(path, ACCURACY))
    images = [random_image(TILE, rng) for _ in range(40)]
    contact_sheet(images, 8).save(part_of(path, CALIBRATION), quality=90)


def write_photos(folder: Path) -> None:
    """Write labelled images: two of each class."""
    rng = np.random.default_rng(1)
    for label in LABELS:
        (folder / label).mkdir(parents=True)
        for index in range(2):
            random_image(60, rng).save(folder / label / f"{index}.png")


def random_image(size: int, rng: np.random.Generator) -> Image.Image:
    """Draw an image of smooth noise."""
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    return coarse.resize((size, size), Image.Resampling.BILINEAR)


@dataclass(frozen=True)
class Chain:
    """Where the chain's files lie, and what each command said; tests alter copies only.

    Attributes:
        supernet: a file of weights, with its parts beside it.
        photos: labelled images.
        store: with the table ``local-litert``.
        out: of ``sartor specialize``, with both exported files and the report.
        said: by each command, run with ``--json``.
    """

    supernet: Path
    photos: Path
    store: Path
    out: Path
    said: dict[str, Finished]


def run_chain(folder: Path) -> Chain:
    """Run the chain from a supernet to a report."""
    supernet, photos = folder / "small.safetensors", folder / "photos"
    store, out = folder / "tables.sqlite", folder / "out"
    write_supernet(supernet)
    write_photos(photos)
    kept = ("--store", store, "--json")
    said = {
        "devices": sartor("devices", "--json"),
        "profile": sartor(
            *("profile", "--supernet", supernet, "--passes", 1, "--most-passes", 1),
            *("--networks", 3, "--force", *kept),
        ),
        "specialize": sartor(
            *("specialize", "--supernet", supernet, "--table", "local-litert"),
            *("--latency-ms", BUDGET_MS, "--out", out, *kept),
        ),
        "export": sartor("export", out, "--json"),
        "verify": sartor("verify", out, "--passes", 2, "--json"),
    }
    return Chain(supernet, photos, store, out, said)
