"""Trials of sub-networks: with weights inherited, trained further, or trained from other weights.

Every result lies in a file of its own, whose name has a digest of all that it depends on: the
supernet's weights, the names of the images, and the recipe of the training.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import cache, cached_property
from multiprocessing import get_context
from pathlib import Path

import torch

from sartor.specializer.allocator import keep_freed_memory
from sartor.specializer.checkpoint import Checkpoint, load_supernet
from sartor.specializer.dataset import open_dataset
from sartor.specializer.evaluations import Evaluator, subject_of
from sartor.specializer.extract import WeightSharing
from sartor.specializer.images import ImageFolder
from sartor.specializer.shipped import find_supernet
from sartor.specializer.space import SearchSpace
from sartor.specializer.supernets.elastic import ElasticMobileNetV3
from sartor.specializer.train.finish import calibration_images
from sartor.specializer.train.photos import Photos, open_photos
from sartor.specializer.train.process import Process, choose_device
from sartor.specializer.train.recipe import NO_START, Phase, Recipe
from sartor.specializer.train.recipe_file import recipe_from_text, recipe_text
from sartor.specializer.train.trainer import train
from sartor.tables import SartorError
from sartor.tables.atomic import write_atomically
from sartor.tables.errors import CheckpointError, DatasetError, FormatError

INHERITED, FEW_SHOT, TUNED = "inherited", "few-shot", "tuned"
ALONE, SCRATCH = "alone", "scratch"
_GENTLER = 1 / 3
"""Of the recipe's last learning rate, for weights that are good already."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What trials have in common; every process gets a copy.

    Attributes:
        data: folder of images, as ``sartor train`` takes it.
        supernet: name or file.
        out: folder for runs and results.
        device: auto, cpu or cuda.
        tune_epochs: of a sub-network that starts from inherited weights, or from random ones.
        alone_epochs: of one that starts from what the supernet started from.
        region_epochs: of a supernet's copy for one region.
        batch_size: images of one step.
        torch_threads: of each process.
    """

    data: Path
    supernet: str
    out: Path
    device: str
    tune_epochs: int
    alone_epochs: int
    region_epochs: int
    batch_size: int
    torch_threads: int

    @property
    def epochs(self) -> dict[str, int]:
        """How long is trained, by kind of trial."""
        return {
            INHERITED: 0,
            FEW_SHOT: self.region_epochs,
            TUNED: self.tune_epochs,
            ALONE: self.alone_epochs,
            SCRATCH: self.tune_epochs,
        }


@dataclass(frozen=True, slots=True)
class Trial:
    """One training, perhaps of no epochs, and what is judged after it.

    Attributes:
        kind: INHERITED, FEW_SHOT, TUNED, ALONE or SCRATCH.
        subnetworks: texts of what is judged; but for FEW_SHOT it is one, and it alone is trained.
        region: that is trained, for FEW_SHOT.
    """

    kind: str
    subnetworks: tuple[str, ...]
    region: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.region or self.subnetworks[0]}"


class Trials:
    """Makes trials, and remembers them.

    Raises:
        UnknownNameError: there is no such supernet.
        CheckpointError: it cannot be read, or does not say what recipe it was trained by.
        DatasetError: the images cannot be used, or are of other classes.
        RuntimeMissingError: there is no GPU, and one was asked for.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        device = choose_device(plan.device)
        self._process = Process(device, "bfloat16" if device.type == "cuda" else "float32")
        weights = find_supernet(plan.supernet).weights
        checkpoint = load_supernet(weights)
        self._start = str(weights.resolve())
        self._supernet = checkpoint.supernet
        self.recipe = _recorded_recipe(checkpoint, weights)
        self._data = open_dataset(plan.data, self.recipe.held_out, self.recipe.seed)
        if self._data.classes != checkpoint.labels:
            raise DatasetError(
                f"{plan.data} has other classes than {weights}; name the images that the supernet "
                "was trained on"
            )

    @property
    def space(self) -> SearchSpace:
        """Of the supernet."""
        return self._supernet.spec.space

    @cached_property
    def judged(self) -> ImageFolder:
        """All images that nothing was trained on: fewer would tell less apart."""
        data = self._data
        return ImageFolder(
            self._plan.data,
            data.classes,
            data.validation.paths + data.held_out.paths,
            data.validation.labels + data.held_out.labels,
        )

    def path(self, trial: Trial) -> Path:
        """Return where a trial's result lies once it is done."""
        name = f"{_plain(str(trial))}-{self._digest(trial, *trial.subnetworks)}.json"
        return self._plan.out / "results" / name

    def result(self, trial: Trial) -> dict[str, float]:
        """Read top-1 of each of a finished trial's sub-networks, 0–1.

        Raises:
            CheckpointError: the file is damaged.
        """
        path = self.path(trial)
        try:
            read = json.loads(path.read_text("utf-8"))
            return {text: float(read[text]) for text in trial.subnetworks}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{path} is no result of a trial; remove it") from error

    def make(self, trial: Trial) -> None:
        """Train, judge, and write the result down."""
        evaluator = self._inherited
        if trial.kind != INHERITED:
            evaluator = self._evaluator(self._train(trial))
        answer = {
            text: evaluator.top1(evaluator.network(self.space.parse(text)))
            for text in trial.subnetworks
        }
        write_atomically(self.path(trial), json.dumps(answer).encode())

    def _train(self, trial: Trial) -> ElasticMobileNetV3:
        run = self._plan.out / "runs" / f"{_plain(str(trial))}-{self._digest(trial)}"
        return train(
            self.recipe_of(trial),
            self._data.trained,
            run,
            process=self._process,
            photos=self._photos,
        ).average

    def recipe_of(self, trial: Trial) -> Recipe:
        """Return the recipe that a trial trains by: the supernet's, changed where it has to be."""
        base, last = self.recipe, self.recipe.phases[-1]
        if trial.kind == INHERITED:
            return base
        start, rate = {
            FEW_SHOT: (self._start, last.learning_rate * _GENTLER),
            TUNED: (self._start, last.learning_rate * _GENTLER),
            ALONE: (base.start, last.learning_rate),
            SCRATCH: (NO_START, max(phase.learning_rate for phase in base.phases)),
        }[trial.kind]
        epochs = self._plan.epochs[trial.kind]
        if trial.kind == FEW_SHOT:
            phase = Phase(
                "region",
                epochs,
                rate,
                random_per_step=last.random_per_step,
                extremes_per_step=last.extremes_per_step,
            )
        else:
            phase = Phase("alone", epochs, rate, only=trial.subnetworks)
        return replace(
            base,
            name=trial.kind,
            phases=(phase,),
            start=start,
            region=trial.region,
            batch_size=self._plan.batch_size,
        )

    def _digest(self, trial: Trial, *more: str) -> str:
        recipe = recipe_text(self.recipe_of(trial))
        parts = (self._subject, self._process.precision, recipe, *more)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]

    @cached_property
    def _subject(self) -> str:
        """Weights and images; those to recalibrate with follow from the recipe."""
        return repr(subject_of(self._supernet, self._data.trained, self.judged))

    @cached_property
    def _photos(self) -> Photos:
        return open_photos(self.recipe, self._data.trained, self._process, 1)

    @cached_property
    def _inherited(self) -> Evaluator:
        return self._evaluator(self._supernet)

    def _evaluator(self, supernet: WeightSharing) -> Evaluator:
        calibration = calibration_images(self.recipe, self._data)
        return Evaluator(supernet, calibration, self.judged, str(self._process.device))


def make_all(
    plan: Plan, waiting: Sequence[Trial], processes: int, done: Callable[[Trial], None]
) -> None:
    """Make trials, several at once; when one fails, those that have not begun are dropped.

    Args:
        plan: of all of them.
        waiting: to be made.
        processes: at once.
        done: told of each that is finished.

    Raises:
        SartorError: a trial failed.
    """
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _begin, (plan.torch_threads,))
    try:
        running = {pool.submit(_make, plan, trial): trial for trial in waiting}
        for future in as_completed(running):
            future.result()
            done(running[future])
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(threads: int) -> None:
    keep_freed_memory()
    torch.set_num_threads(threads)


def _make(plan: Plan, trial: Trial) -> None:
    try:
        _trials(plan).make(trial)
    except SartorError as error:  # its subclasses do not all travel between processes
        raise SartorError(f"{trial}: {error}") from error


@cache
def _trials(plan: Plan) -> Trials:
    return Trials(plan)


def _recorded_recipe(checkpoint: Checkpoint, path: Path) -> Recipe:
    """Read the recipe that a supernet's file says it was trained by."""
    try:
        return recipe_from_text(checkpoint.metadata["recipe"])
    except (KeyError, FormatError) as error:
        raise CheckpointError(
            f"{path} does not say what recipe it was trained by; want a supernet that "
            "`sartor train` wrote"
        ) from error


def _plain(text: str) -> str:
    """Make a file name of a text."""
    return "".join(c if c.isalnum() else "-" for c in text)
