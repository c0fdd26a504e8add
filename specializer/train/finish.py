"""From trained weights to a supernet that can be specialized: statistics, predictor, record.

What takes long is kept, so an interrupted run goes on: evaluations in a journal, images in their
file.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from ...tables.atomic import write_atomically
from ..calibration_set import contact_sheet, synthetic_images
from ..checkpoint import Checkpoint, save_supernet
from ..dataset import Dataset
from ..evaluation_table import write_evaluations
from ..evaluations import Evaluator, evaluate_all
from ..images import ImageFolder
from ..predictor_report import make_predictor_report
from ..reference import (
    load_reference,
    recalibrate_synthetically,
    reference_subnetworks,
    save_reference,
    statistics,
)
from ..region import draw_subnetworks, extremes, extremes_and_random
from ..shipped import ACCURACY, CALIBRATION, REFERENCE, find_supernet, part_of
from ..space import SubNetwork
from ..supernets.elastic import ElasticMobileNetV3
from ..survey import survey
from .recipe import Recipe
from .synthesize import synthesize
from .trainer import LOG

COMPARED = 22
"""Networks by which recalibration with synthetic images is compared with photos."""

SPREAD = 10
"""Random networks, beside the largest and the smallest, that the synthetic images are made by."""

SHEET_COLUMNS = 10
SHEET_QUALITY = 92
RUN, RECORD, PREDICTOR = "run", "record.json", "predictor.json"
EVALUATIONS, EVALUATED = "evaluations.jsonl", "evaluations.csv"
JUDGED = "judged.jsonl"
CURVE, PICTURE = "curve.jsonl", "training.png"

Report = Callable[[str, int, int], None]
"""Told what is being done, and how many of how many."""


def finish(
    recipe: Recipe,
    supernet: ElasticMobileNetV3,
    data: Dataset,
    metadata: dict[str, str],
    out: Path,
    device: str,
    report: Report,
) -> None:
    """Write everything that belongs to a trained supernet.

    Args:
        recipe: says how much is spent.
        supernet: trained, on ``device``.
        data: that it was trained on.
        metadata: where the weights come from.
        out: the file of weights, ``NAME.safetensors``; the parts go beside it.
        device: where torch computes.
        report: told what is being done.

    Raises:
        DatasetError: an image cannot be read.
        OutputError: a file cannot be written.
    """
    calibration = calibration_images(recipe, data)
    chooser = Evaluator(supernet, calibration, data.held_out, device)
    _store_statistics(supernet, extremes(supernet.spec.space, recipe.region)[0], chooser)
    save_supernet(Checkpoint(out.stem, supernet, data.classes, metadata), out)
    if recipe.finish.evaluated:
        _fit(recipe, supernet, chooser, data, out, report)
    if recipe.finish.synthetic_images:
        _write_reference(chooser, supernet, part_of(out, REFERENCE))
        if not part_of(out, CALIBRATION).exists():
            _make_sheet(recipe, chooser, supernet, part_of(out, CALIBRATION), report)
    _draw(out)
    judge = Evaluator(supernet, calibration, data.validation, device)
    _judge(recipe, supernet, chooser, judge, out, report)


def calibration_images(recipe: Recipe, data: Dataset) -> ImageFolder:
    """Choose the training images that BatchNorm is recalibrated with."""
    return data.trained.sample(recipe.finish.recalibration_images, recipe.seed)


@torch.no_grad()
def _store_statistics(
    supernet: ElasticMobileNetV3, largest: SubNetwork, evaluator: Evaluator
) -> None:
    """Give the supernet the BatchNorm statistics of its largest sub-network."""
    gathered = evaluator.network(largest).weights
    for name, view in supernet.weights(largest).items():
        if ".running_" in name:
            view.copy_(gathered[name])


def _fit(
    recipe: Recipe,
    supernet: ElasticMobileNetV3,
    chooser: Evaluator,
    data: Dataset,
    out: Path,
    report: Report,
) -> None:
    """Evaluate sub-networks on the held-out images, and fit the accuracy predictor to them."""
    space, wanted = supernet.spec.space, recipe.finish
    # A search knows no regions: what it found would mostly be out of this one.
    best = 0 if recipe.region else wanted.evaluated_best
    evaluated = survey(
        chooser,
        supernet,
        draw_subnetworks(
            space, wanted.evaluated, np.random.default_rng(recipe.seed + 1), recipe.region
        ),
        best,
        recipe.seed,
        part_of(out, RUN) / EVALUATIONS,
        lambda done: report("evaluate for the predictor", done, wanted.evaluated + best),
    )
    table = part_of(out, EVALUATED)
    write_evaluations(table, supernet.spec, evaluated, len(data.held_out))
    found = make_predictor_report(space, table, recipe.seed)
    _write_json(part_of(out, PREDICTOR), found.document())
    found.save_plot(part_of(out, EVALUATED).with_suffix(".png"))
    found.fit.predictor.save(part_of(out, ACCURACY))


def _write_reference(evaluator: Evaluator, supernet: ElasticMobileNetV3, path: Path) -> None:
    """Keep the extremes' statistics from photos, at each resolution."""
    space = supernet.spec.space
    related = reference_subnetworks(space)
    found = {subnetwork: statistics(evaluator.network(subnetwork)) for subnetwork in related}
    save_reference(found, space, path)


def _make_sheet(
    recipe: Recipe,
    evaluator: Evaluator,
    supernet: ElasticMobileNetV3,
    path: Path,
    report: Report,
) -> None:
    """Make synthetic images from several sub-networks' statistics, and lay them out."""
    space, rng = supernet.spec.space, np.random.default_rng(recipe.seed + 2)
    spread = extremes_and_random(space, SPREAD, rng)
    images = synthesize(
        [evaluator.network(subnetwork) for subnetwork in spread],
        recipe.finish.synthetic_images,
        supernet.spec.resolutions[-1],
        recipe.finish.synthesis_steps,
        recipe.seed,
        lambda step, _: report("make synthetic images", step, recipe.finish.synthesis_steps),
    )
    content = io.BytesIO()
    sheet = contact_sheet(images, SHEET_COLUMNS)
    sheet.save(content, "JPEG", quality=SHEET_QUALITY, subsampling=0)
    write_atomically(path, content.getvalue())


def _judge(
    recipe: Recipe,
    supernet: ElasticMobileNetV3,
    chooser: Evaluator,
    judge: Evaluator,
    out: Path,
    report: Report,
) -> None:
    """Record accuracies on the validation images, and what synthetic images cost where there are.

    The latter is measured on the held-out images: the extremes and some of the random ones there,
    recalibrated with photos and with the sheet.
    """
    space, files = supernet.spec.space, find_supernet(str(out))
    sheet = (
        []
        if files.calibration is None
        else synthetic_images(str(out), files, supernet.spec.resolutions[-1])
    )
    reference = {} if files.reference is None else load_reference(files.reference, space)
    rng = np.random.default_rng(recipe.seed + 3)
    judged = extremes_and_random(space, recipe.finish.judged, rng, recipe.region)
    scores = evaluate_all(
        judge,
        supernet,
        judged,
        part_of(out, RUN) / JUDGED,
        lambda done: report("judge on the validation images", done, len(judged)),
    )
    rows: list[dict[str, object]] = [
        {
            "subnetwork": space.text(subnetwork),
            "multiply_adds": supernet.spec.graph(subnetwork).multiply_adds,
            "top1": score.top1,
        }
        for subnetwork, score in scores.items()
    ]
    compared = list(zip(rows, judged, strict=False))[: COMPARED if sheet else 0]
    for done, (row, subnetwork) in enumerate(compared, 1):
        synthetic = recalibrate_synthetically(supernet, subnetwork, sheet, reference)
        row["held_out_top1"] = chooser.top1(chooser.network(subnetwork))
        row["held_out_top1_synthetic"] = chooser.top1(synthetic)
        report("compare synthetic images with photos", done, len(compared))
    _write_json(part_of(out, RECORD), {"recipe": recipe.name, "subnetworks": rows})


def _draw(out: Path) -> None:
    """Draw how the training went, where matplotlib is installed."""
    try:
        from .plot import training_png
    except ImportError:
        return
    run = part_of(out, RUN)
    write_atomically(part_of(out, PICTURE), training_png(run / LOG, run / CURVE))


def _write_json(path: Path, document: dict[str, object]) -> None:
    write_atomically(path, (json.dumps(document, indent=2) + "\n").encode())
