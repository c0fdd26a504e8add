"""A whole run: images and a recipe in, a supernet that can be specialized out."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import torch

from ...tables.atomic import remove_unfinished
from ...tables.errors import OutputError
from ..checkpoint import Checkpoint, save_supernet
from ..dataset import Dataset
from ..evaluations import Evaluator
from ..family import REGION_KEY
from ..shipped import part_of
from ..supernets.mobilenet_v3 import MobileNetV3
from .checks import check_images, check_space
from .draw import extreme_subnetwork
from .finish import CURVE, RUN, Report, calibration_images, finish
from .log import Step
from .process import Process
from .recipe import Recipe
from .recipe_file import recipe_text
from .state import TrainingState
from .trainer import Watch, train

_STATE_COPIES = 10
"""Weights, their average, two moments of the optimizer, twice, because a checkpoint is written
beside the last one before it takes its place; and what is made of them in the end."""

_SPARE_BYTES = 50_000_000
"""Logs, pictures, the teacher's answers."""

_LOOK_SHARE = 0.05
"""Of the time, so much is spent on evaluating the extremes beside training."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a run tells while it goes on; called by the first process alone.

    Attributes:
        step: told of every step.
        stage: told what else is being done, and how many of how many.
        accuracy: told the phase, the step, and top-1 on held-out images of the largest and of the
            smallest sub-network that the phase trains.
    """

    step: Callable[[Step], None] = lambda _: None
    stage: Report = lambda _what, _done, _of: None
    accuracy: Callable[[str, int, float, float], None] = lambda _phase, _step, _large, _small: None


def make_supernet(
    recipe: Recipe,
    data: Dataset,
    out: Path,
    process: Process,
    threads: int,
    told: Told | None = None,
    stop: Callable[[], bool] = lambda: False,
    checkpoint_every_s: float = 120.0,
) -> bool:
    """Train a supernet and write everything that belongs to it, or go on where it was interrupted.

    Args:
        recipe: what to do.
        data: images.
        out: the file of weights to write, ``NAME.safetensors``. It is there from the first
            checkpoint on; the run is kept in the folder ``NAME.run`` beside it.
        process: where to compute, and which part of the work.
        threads: that read images beside the training.
        told: what happens.
        stop: asked after each step whether to keep a checkpoint and return.
        checkpoint_every_s: seconds between checkpoints.

    Returns:
        Whether the run came to its end.

    Raises:
        CheckpointError: the folder holds another recipe's run, or weights do not fit.
        DatasetError: an image cannot be read, or the loss is no longer a number.
        FormatError: the recipe fits neither the images nor itself.
        OutputError: there is too little disk, or a file cannot be written.
        RuntimeMissingError: a package is not installed.
    """
    told = told or Told()
    folder = part_of(out, RUN)
    if process.first:
        remove_unfinished(out)
        check_space(folder, _wanted_bytes(recipe, data))
        check_images(
            [data.trained, data.held_out, data.validation],
            folder / "checked.txt",
            lambda done, of: told.stage("check the images", done, of),
        )
    process.wait_for_all()
    keeper = _Keeper(recipe, data, out, process, told)
    watch = Watch(told.step, keeper.keep, stop, checkpoint_every_s)
    state = train(recipe, data.trained, folder, watch, process, threads)
    if state.phase < len(recipe.phases):
        return False
    if process.first:
        finish(
            recipe,
            state.average,
            data,
            _metadata(recipe, data),
            out,
            str(process.device),
            told.stage,
        )
    return True


class _Keeper:
    """Makes every checkpoint a supernet that can be used, and says how good it is."""

    def __init__(
        self, recipe: Recipe, data: Dataset, out: Path, process: Process, told: Told
    ) -> None:
        self._recipe, self._data, self._out, self._told = recipe, data, out, told
        self._device = str(process.device)
        self._calibration = calibration_images(recipe, data)
        self._looked_at, self._took_s = time.monotonic(), 0.0
        self._evaluator: Evaluator | None = None

    def keep(self, state: TrainingState) -> None:
        """Write the averaged weights; from time to time, evaluate the extremes."""
        checkpoint = Checkpoint(
            self._out.stem, state.average, self._data.classes, _metadata(self._recipe, self._data)
        )
        save_supernet(checkpoint, self._out)
        phase_ended = state.step == 0
        due = time.monotonic() - self._looked_at > self._took_s / _LOOK_SHARE
        if phase_ended or due:
            self._look(state, state.phase - phase_ended)

    def _look(self, state: TrainingState, phase_index: int) -> None:
        started = time.monotonic()
        phase, spec = self._recipe.phases[phase_index], state.average.spec
        if self._evaluator is None:
            self._evaluator = Evaluator(
                state.average, self._calibration, self._data.held_out, self._device
            )
        if phase.only:
            chosen = [spec.space.parse(phase.only[0])] * 2
        else:
            last = len(spec.resolutions) - 1
            chosen = [
                extreme_subnetwork(spec, self._recipe, phase, last, largest=True),
                extreme_subnetwork(spec, self._recipe, phase, 0, largest=False),
            ]
        large, small = (self._evaluator.top1(self._evaluator.network(s)) for s in chosen)
        step = state.step
        line = {"phase": phase.name, "step": step or None, "largest": large, "smallest": small}
        path = part_of(self._out, RUN) / CURVE
        try:
            with path.open("a", encoding="utf-8") as curve:
                curve.write(json.dumps(line) + "\n")
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror}; free some space") from error
        self._told.accuracy(phase.name, step, large, small)
        self._looked_at = time.monotonic()
        self._took_s = self._looked_at - started


def _metadata(recipe: Recipe, data: Dataset) -> dict[str, str]:
    """Say where weights come from."""
    root = data.trained.root
    return {
        "recipe": recipe_text(recipe),
        REGION_KEY: recipe.region,
        "data": (root.parent if root.name == "train" else root).name,
        "made_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "torch": torch.__version__,
    }


def _wanted_bytes(recipe: Recipe, data: Dataset) -> int:
    """Estimate what a run writes."""
    spec = MobileNetV3(recipe.width, len(data.classes), recipe.resolutions)
    weights = sum(math.prod(shape) for shape in spec.state_shapes().values())
    return _STATE_COPIES * 4 * weights + _SPARE_BYTES
