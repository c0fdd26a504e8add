"""From trained weights to a supernet that ships: statistics, predictor, synthetic images, record.

Each stage writes its file and is skipped where that is there, so an interrupted run goes on.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ...tables.atomic import write_atomically
from ..accuracy.fit import fit_ridge
from ..calibration_set import contact_sheet, synthetic_images
from ..checkpoint import Checkpoint, save_supernet
from ..evaluations import Evaluator, evaluate_all
from ..images import ImageFolder
from ..reference import (
    load_reference,
    recalibrate_synthetically,
    save_reference,
    statistics,
)
from ..shipped import find_supernet
from ..space import Population, SubNetwork
from ..supernets.elastic import ElasticMobileNetV3
from .synthesize import synthesize

SHEET_COLUMNS = 10
SHEET_QUALITY = 92

Report = Callable[[str, int, int], None]
"""Told what is being done, and how many of how many."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is spent on each stage.

    Attributes:
        recalibration_images: photos that BatchNorm is recalibrated with.
        evaluated: sub-networks that the accuracy predictor learns from.
        synthetic_images: on the sheet, a multiple of ten.
        synthesis_steps: of the optimizer that makes them.
        judged: random sub-networks evaluated on the whole validation split.
        seed: of every draw.
    """

    recalibration_images: int = 256
    evaluated: int = 140
    synthetic_images: int = 60
    synthesis_steps: int = 240
    judged: int = 20
    seed: int = 0


def publish(
    name: str,
    supernet: ElasticMobileNetV3,
    trained: ImageFolder,
    held_out: ImageFolder,
    validation: ImageFolder,
    labels: Sequence[str],
    metadata: dict[str, str],
    folder: Path,
    effort: Effort,
    report: Report,
) -> None:
    """Write everything that a shipped supernet consists of.

    Args:
        name: of the supernet.
        supernet: trained.
        trained: images that it was trained on, to recalibrate with.
        held_out: training images that it has not seen; the predictor learns from these.
        validation: images that nothing was chosen by; the record is about these.
        labels: of the classes: names of the folders that images of each come in.
        metadata: where the weights come from.
        folder: to write to.
        effort: how much is spent.
        report: told what is being done.

    Raises:
        DatasetError: an image cannot be read.
        OutputError: the folder cannot be written.
    """
    rng = np.random.default_rng(effort.seed)
    chosen = rng.permutation(len(trained))[: effort.recalibration_images]
    calibration = trained.subset(sorted(chosen.tolist()))
    evaluator = Evaluator(supernet, calibration, held_out)
    _store_statistics(supernet, evaluator)
    weights = folder / "supernet.safetensors"
    save_supernet(Checkpoint(name, supernet, tuple(labels), metadata), weights)
    space = supernet.spec.space
    if not (folder / "accuracy.npz").exists():
        population = np.unique(space.random(effort.evaluated, rng), axis=0)
        accuracies = evaluate_all(
            evaluator,
            supernet,
            _subnetworks(population),
            folder / "evaluations.jsonl",
            lambda done: report("evaluate for the predictor", done, len(population)),
        )
        fit = fit_ridge(space, population, np.array(list(accuracies.values())), rng)
        fit.predictor.save(folder / "accuracy.npz")
        _write_json(
            folder / "predictor.json",
            {
                "networks": fit.networks,
                "held_out_images": len(held_out),
                "kendall_tau": fit.kendall_tau,
                "mean_absolute_error": fit.mean_absolute_error,
                "penalty": fit.penalty,
            },
        )
    _write_reference(evaluator, supernet, folder / "reference.safetensors")
    if not (folder / "calibration.jpg").exists():
        _make_sheet(evaluator, supernet, folder / "calibration.jpg", effort, report)
    judge = Evaluator(supernet, calibration, validation)
    _judge(name, supernet, evaluator, judge, folder, effort, report)


@torch.no_grad()
def _store_statistics(supernet: ElasticMobileNetV3, evaluator: Evaluator) -> None:
    """Give the supernet the BatchNorm statistics of its largest sub-network."""
    largest = supernet.spec.space.largest
    gathered = evaluator.network(largest).weights
    for name, view in supernet.weights(largest).items():
        if ".running_" in name:
            view.copy_(gathered[name])


def _write_reference(evaluator: Evaluator, supernet: ElasticMobileNetV3, path: Path) -> None:
    """Keep the largest sub-network's statistics from photos, at each resolution."""
    space, sizes = supernet.spec.space, supernet.spec.resolutions
    largest = [(context, *space.largest[1:]) for context in range(len(space.contexts))]
    found = [statistics(evaluator.network(subnetwork)) for subnetwork in largest]
    save_reference(dict(zip(sizes, found, strict=True)), path)


def _make_sheet(
    evaluator: Evaluator,
    supernet: ElasticMobileNetV3,
    path: Path,
    effort: Effort,
    report: Report,
) -> None:
    """Make synthetic images from several sub-networks' statistics, and lay them out."""
    space, rng = supernet.spec.space, np.random.default_rng(effort.seed + 1)
    spread = [space.largest, space.smallest, *_subnetworks(space.random(10, rng))]
    images = synthesize(
        [evaluator.network(subnetwork) for subnetwork in spread],
        effort.synthetic_images,
        supernet.spec.resolutions[-1],
        effort.synthesis_steps,
        effort.seed,
        lambda step, _: report("make synthetic images", step, effort.synthesis_steps),
    )
    content = io.BytesIO()
    sheet = contact_sheet(images, SHEET_COLUMNS)
    sheet.save(content, "JPEG", quality=SHEET_QUALITY, subsampling=0)
    write_atomically(path, content.getvalue())


def _judge(
    name: str,
    supernet: ElasticMobileNetV3,
    chooser: Evaluator,
    judge: Evaluator,
    folder: Path,
    effort: Effort,
    report: Report,
) -> None:
    """Record accuracies on the validation split, and what the synthetic images cost.

    The latter is measured on the held-out images: the same sub-network there, recalibrated with
    photos and with the sheet.
    """
    space, spec = supernet.spec.space, supernet.spec
    sheet = synthetic_images(name, find_supernet(str(folder)), spec.resolutions[-1])
    reference = load_reference(folder / "reference.safetensors")
    random = space.random(effort.judged, np.random.default_rng(effort.seed + 2))
    judged = [space.largest, space.smallest, *_subnetworks(random)]
    rows = []
    for index, subnetwork in enumerate(judged):
        network = judge.network(subnetwork)
        synthetic = recalibrate_synthetically(supernet, subnetwork, sheet, reference)
        rows.append(
            {
                "subnetwork": space.text(subnetwork),
                "multiply_adds": network.graph.multiply_adds,
                "top1": judge.top1(network),
                "held_out_top1": chooser.top1(network),
                "held_out_top1_synthetic": chooser.top1(synthetic),
            }
        )
        report("judge on the validation split", index + 1, len(judged))
    _write_json(folder / "accuracy.json", {"subnetworks": rows})


def _subnetworks(population: Population) -> list[SubNetwork]:
    return [tuple(map(int, row)) for row in population]


def _write_json(path: Path, document: dict[str, object]) -> None:
    write_atomically(path, (json.dumps(document, indent=2) + "\n").encode())
