"""The trainer: progressive shrinking or a single stage, resumable at any step.

Sources: Cai et al., Once-for-All, ICLR 2020, section 3.4; Yu et al., BigNAS, ECCV 2020, section 3.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from ...tables.atomic import remove_unfinished, write_atomically
from ...tables.errors import CheckpointError, DatasetError, FormatError
from ..images import ImageFolder, normalise_pixels
from ..supernets.elastic import ElasticMobileNetV3
from ..supernets.mobilenet_v3 import MobileNetV3
from .batches import Batch, batches, steps_per_epoch
from .draw import step_subnetworks, teaches
from .log import Step, append_step, rewind
from .photos import Photos, open_photos
from .process import Process
from .recipe import Phase, Recipe, batch_size, learning_rate
from .recipe_file import recipe_text
from .sandwich import Sandwich
from .sorting import sort_channels
from .start import start
from .state import TrainingState
from .teacher import Targets, mixed

MAX_GRADIENT_NORM = 5.0
CHECKPOINT, LOG, RECIPE, ANSWERS = "last.pt", "log.jsonl", "recipe.toml", "teacher.npy"


@dataclass(frozen=True, slots=True)
class Watch:
    """What a run tells, and when.

    Attributes:
        step: told of every step, in the first process.
        kept: called after every checkpoint, with what is in it, in the first process.
        stop: asked after every step whether to keep a checkpoint and return; in every process,
            and one that says so is enough.
        checkpoint_every_s: seconds between checkpoints; each phase ends with one, too.
    """

    step: Callable[[Step], None] = lambda _: None
    kept: Callable[[TrainingState], None] = lambda _: None
    stop: Callable[[], bool] = lambda: False
    checkpoint_every_s: float = 120.0


def train(
    recipe: Recipe,
    trained: ImageFolder,
    run_folder: Path,
    watch: Watch | None = None,
    process: Process | None = None,
    threads: int = 1,
    photos: Photos | None = None,
) -> TrainingState:
    """Train a supernet, or go on with the run that ``run_folder`` holds.

    Args:
        recipe: what to do.
        trained: images to train on.
        run_folder: gets ``last.pt`` (everything a resumed run needs), ``log.jsonl``,
            ``recipe.toml`` and the teacher's remembered answers.
        watch: told what happens.
        process: where to compute, and which part of the work.
        threads: that read images beside the training.
        photos: the training images, where they are open already.

    Returns:
        The run at its end, or where ``watch`` stopped it. BatchNorm statistics are still to be
        calibrated.

    Raises:
        DatasetError: an image cannot be read, or the loss is no longer a number.
        CheckpointError: the folder holds another recipe's run, or a damaged one.
        FormatError: the recipe fits neither the images nor itself.
        OutputError: the folder cannot be written to.
        RuntimeMissingError: a package with pretrained weights is not installed.
    """
    process = process or Process()
    run = _Run(recipe, trained, run_folder, watch or Watch(), process)
    return run.run(photos or open_photos(recipe, trained, process, threads))


class _Run:
    """One process's part of a training run."""

    def __init__(
        self,
        recipe: Recipe,
        trained: ImageFolder,
        folder: Path,
        watch: Watch,
        process: Process,
    ) -> None:
        _check(recipe, trained, process)
        _check_phases(recipe, len(trained.classes))
        self._recipe, self._folder = recipe, folder
        self._watch, self._process = watch, process
        self._images = len(trained)
        if process.first:
            _claim(folder, recipe)
            remove_unfinished(folder / CHECKPOINT)
        process.wait_for_all()
        self._state = self._begin(trained.classes)
        self._module = self._wrapped(Sandwich(self._state.supernet))
        self._targets = Targets(recipe, trained, folder / ANSWERS, process)
        self._unread: _Unread | None = None
        self._done: Step | None = None
        self._kept_at = self._read_at = time.monotonic()

    def run(self, photos: Photos) -> TrainingState:
        """Train to the end, or until told to stop."""
        recipe, state = self._recipe, self._state
        while state.phase < len(recipe.phases):
            phase = recipe.phases[state.phase]
            if state.step == 0:
                if phase.sort_channels:
                    sort_channels(state.supernet)
                state.restart_average()
            if not self._train(phase, photos):
                return state
            state.next_phase()
            self._keep()
        return state

    def _train(self, phase: Phase, photos: Photos) -> bool:
        """Train what is left of a phase; False when told to stop before its end."""
        recipe, state = self._recipe, self._state
        steps = phase.epochs * steps_per_epoch(recipe, phase, self._images)
        for batch in batches(
            recipe,
            state.supernet.spec,
            photos,
            self._images,
            state.phase,
            state.step,
            self._process,
            self._targets.teacher_size,
        ):
            losses, right = self._step(phase, batch, steps)
            self._read()
            state.step = batch.step + 1
            self._unread = _Unread(phase.name, state.step, steps, losses, right)
            late = time.monotonic() - self._kept_at > self._watch.checkpoint_every_s
            stop, due = self._process.any(self._watch.stop(), late)
            if stop or due:
                self._keep()
            if stop:
                return False
        self._read()
        return True

    def _step(self, phase: Phase, batch: Batch, steps: int) -> tuple[Tensor, Tensor]:
        """Train a batch's sub-networks on it; return losses and accuracies, (sub-networks,)."""
        state, device = self._state, self._process.device
        for group in state.optimizer.param_groups:
            group["lr"] = learning_rate(self._recipe, phase, batch.step, steps)
        share = phase.inplace_share if teaches(phase, batch.step) else 0.0
        with self._process.mixed():
            images = normalise_pixels(mixed(batch.pixels.to(device), batch.share))
            target = self._targets.of(batch)
            losses, right = self._module(images, batch.subnetworks, target, share)
        torch.autograd.backward(losses.sum())
        torch.nn.utils.clip_grad_norm_(state.supernet.parameters(), MAX_GRADIENT_NORM)
        state.optimizer.step()
        state.optimizer.zero_grad(set_to_none=True)
        state.update_average()
        return losses.detach(), right

    def _read(self) -> None:
        """Look at the step before: a GPU has finished it while the next one was prepared.

        Raises:
            DatasetError: its loss is not a number; what was last kept is still good.
        """
        if self._unread is None:
            return
        loss, accuracy = self._process.mean(self._unread.figures())
        now = time.monotonic()
        done = Step(
            self._unread.phase,
            self._unread.step,
            self._unread.steps,
            loss,
            accuracy,
            now - self._read_at,
        )
        self._unread, self._done, self._read_at = None, done, now
        if not math.isfinite(done.loss):
            raise self._gone_wrong(f"the loss is {done.loss}", done.phase, done.step)
        if self._process.first:
            append_step(self._folder / LOG, done)
            self._watch.step(done)

    def _gone_wrong(self, what: str, phase: str, step: int) -> DatasetError:
        return DatasetError(
            f"{what} at step {step} of {phase}; the last checkpoint is kept in {self._folder}: "
            "lower the learning rate in a recipe of your own, or look for broken images"
        )

    def _keep(self) -> None:
        """Write a checkpoint of what is known to be good.

        Raises:
            DatasetError: the last step made weights that half precision cannot hold.
        """
        self._read()
        if self._done is not None and not self._state.is_sound():
            what = "the weights are beyond all bounds"
            raise self._gone_wrong(what, self._done.phase, self._done.step)
        if self._process.first:
            self._state.save(self._folder / CHECKPOINT)
            self._watch.kept(self._state)
        self._process.wait_for_all()
        self._kept_at = time.monotonic()

    def _begin(self, classes: tuple[str, ...]) -> TrainingState:
        """Start as the recipe says, or where the folder's run was interrupted."""
        recipe = self._recipe
        torch.manual_seed(recipe.seed)
        spec = MobileNetV3(recipe.width, len(classes), recipe.resolutions)
        supernet = ElasticMobileNetV3(spec)
        path = self._folder / CHECKPOINT
        if not path.exists():
            start(supernet, recipe.start, classes)
        supernet.to(self._process.device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's types lack it
        state = TrainingState(supernet, recipe.weight_decay, recipe.average_decay)
        state.resume(path)
        if self._process.first:
            phases = [phase.name for phase in recipe.phases]
            rewind(self._folder / LOG, phases, state.phase, state.step)
        return state

    def _wrapped(self, module: torch.nn.Module) -> torch.nn.Module:
        """Let gradients be shared where there are several processes."""
        if self._process.world == 1:
            return module
        devices = [self._process.device] if self._process.device.type == "cuda" else None
        warnings.filterwarnings("ignore", "Grad strides do not match", UserWarning)
        with warnings.catch_warnings():
            # torch 2.13 renames broadcast_buffers to what torch 2.6 does not know
            warnings.simplefilter("ignore", FutureWarning)
            # a step leaves out whatever its sub-networks do not have
            return DistributedDataParallel(
                module, device_ids=devices, find_unused_parameters=True, broadcast_buffers=False
            )


@dataclass(frozen=True, slots=True, eq=False)
class _Unread:
    """A step whose figures may still be on their way from a GPU."""

    phase: str
    step: int
    steps: int
    losses: Tensor
    right: Tensor

    def figures(self) -> list[float]:
        """Wait for loss and accuracy, means over the step's sub-networks."""
        figures: list[float] = torch.stack([self.losses.mean(), self.right.mean()]).tolist()
        return figures


def _check(recipe: Recipe, trained: ImageFolder, process: Process) -> None:
    """Raise before hours are spent where a recipe cannot be followed."""
    for count in (batch_size(recipe, phase) for phase in recipe.phases):
        if len(trained) < count:
            raise DatasetError(
                f"{len(trained)} images are fewer than one batch of {count}; "
                "add images or choose a recipe with smaller batches"
            )
        if count % process.world or count < 2 * process.world:
            raise FormatError(
                f"a batch of {count} cannot be dealt to {process.world} processes, two images or "
                "more to each; change batch_size in the recipe or the number of processes"
            )


def _check_phases(recipe: Recipe, classes: int) -> None:
    """Raise FormatError where a phase has nothing to train, be it the last one."""
    spec = MobileNetV3(recipe.width, classes, recipe.resolutions)
    for phase in recipe.phases:
        for step in range(max(1, len(phase.only))):
            step_subnetworks(spec, recipe, phase, step, np.random.default_rng(recipe.seed))


def _claim(folder: Path, recipe: Recipe) -> None:
    """Record the recipe, or refuse a folder that another recipe's run has got anywhere in."""
    path, text = folder / RECIPE, recipe_text(recipe).encode()
    try:
        other = path.exists() and path.read_bytes() != text
        if other and not (folder / CHECKPOINT).exists():
            (folder / ANSWERS).unlink(missing_ok=True)  # perhaps another teacher's
            other = False
    except OSError as error:
        raise CheckpointError(
            f"cannot read {path}: {error.strerror}; choose another folder for the run"
        ) from error
    if other:
        raise CheckpointError(
            f"{folder} holds a run of another recipe; choose another folder or remove it"
        )
    write_atomically(path, text)
