"""The trainer: progressive shrinking with knowledge distillation, resumable at any step.

Source: Cai et al., Once-for-All, ICLR 2020, section 3.4.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from ...tables.atomic import write_atomically
from ...tables.errors import CheckpointError, DatasetError
from ..images import ImageFolder
from ..supernets.elastic import ElasticMobileNetV3
from ..supernets.mobilenet_v3 import MobileNetV3
from .batches import Batch, batches, steps_per_epoch
from .log import Step, append_step, rewind
from .recipe import Phase, Recipe, learning_rate
from .sorting import sort_channels
from .state import TrainingState
from .teacher import training_targets
from .warm_start import warm_start

MAX_GRADIENT_NORM = 5.0


def train(
    recipe: Recipe,
    data: ImageFolder,
    run_folder: Path,
    report: Callable[[Step], None],
    device: str = "cpu",
    checkpoint_every_s: float = 120.0,
) -> ElasticMobileNetV3:
    """Train a supernet, or go on with the run that ``run_folder`` holds.

    Args:
        recipe: what to do.
        data: the training split; ``recipe.held_out`` of its images are never trained on.
        run_folder: gets ``last.pt`` (everything a resumed run needs), ``log.jsonl``,
            ``recipe.json`` and the teacher's cached answers.
        report: called after every step.
        device: where torch computes.
        checkpoint_every_s: seconds between checkpoints; each phase ends with one, too.

    Returns:
        The trained supernet; its BatchNorm statistics are still to be calibrated.

    Raises:
        DatasetError: an image cannot be read, or the loss is no longer a number.
        CheckpointError: the folder holds another recipe's run, or a damaged one.
        OutputError: the folder cannot be written to.
        RuntimeMissingError: the package with the pretrained weights is not installed.
    """
    trained, _ = data.split(recipe.held_out, recipe.seed)
    if len(trained) < recipe.batch_size:
        raise DatasetError(
            f"{len(trained)} images are fewer than one batch of {recipe.batch_size}; "
            "add images or choose a recipe with smaller batches"
        )
    _claim(run_folder, recipe)
    state = _begin(recipe, len(data.classes), run_folder, device)
    targets = training_targets(recipe, trained, run_folder / "teacher.npy").to(device)
    saved_at = time.monotonic()
    while state.phase < len(recipe.phases):
        phase = recipe.phases[state.phase]
        steps = phase.epochs * steps_per_epoch(recipe, trained)
        if state.step == 0 and phase.sort_channels:
            sort_channels(state.supernet)
        for batch in batches(recipe, state.supernet.spec, trained, state.phase, state.step):
            started = time.monotonic()
            rate = learning_rate(recipe, phase, batch.step, steps)
            loss, accuracy = _train_step(state, phase, batch, targets, rate)
            state.step = batch.step + 1
            done = Step(phase.name, state.step, steps, loss, accuracy, time.monotonic() - started)
            append_step(run_folder / "log.jsonl", done)
            report(done)
            if time.monotonic() - saved_at > checkpoint_every_s:
                state.save(run_folder / "last.pt")
                saved_at = time.monotonic()
        state.next_phase()
        state.save(run_folder / "last.pt")
    return state.supernet


def _begin(recipe: Recipe, classes: int, run_folder: Path, device: str) -> TrainingState:
    """Start warm, or where the folder's run was interrupted."""
    torch.manual_seed(recipe.seed)
    supernet = ElasticMobileNetV3(MobileNetV3(recipe.width, classes, recipe.resolutions))
    supernet.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's types lack it
    state = TrainingState(supernet, recipe.weight_decay)
    if not state.resume(run_folder / "last.pt"):
        warm_start(supernet)
    phases = [phase.name for phase in recipe.phases]
    rewind(run_folder / "log.jsonl", phases, state.phase, state.step)
    return state


def _train_step(
    state: TrainingState, phase: Phase, batch: Batch, targets: Tensor, rate: float
) -> tuple[float, float]:
    """Train a batch's sub-networks on it; return loss and accuracy, means over them.

    The largest sub-network, where the batch begins with it, teaches the others (in-place
    distillation; Yu et al., BigNAS, ECCV 2020, section 3.1).
    """
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    images, target = batch.images.to(targets.device), targets[batch.indices]
    answer = target.argmax(1)
    teaches = phase.extreme and batch.step % 2 == 0
    losses, accuracies = [], []
    for index, subnetwork in enumerate(batch.subnetworks):
        logits: Tensor = state.supernet(images, subnetwork)
        loss = functional.cross_entropy(logits, target)
        torch.autograd.backward(loss)
        losses.append(loss.detach())
        accuracies.append((logits.argmax(1) == answer).float().mean())
        if teaches and index == 0:
            target = (target + logits.detach().softmax(1)) / 2
    mean_loss = torch.stack(losses).mean().item()
    if not np.isfinite(mean_loss):
        raise DatasetError(
            f"the loss is {mean_loss} at step {batch.step} of {phase.name}; the last checkpoint "
            "is kept: lower the learning rate, or look for broken images"
        )
    torch.nn.utils.clip_grad_norm_(state.supernet.parameters(), MAX_GRADIENT_NORM)
    state.optimizer.step()
    state.optimizer.zero_grad(set_to_none=True)
    return mean_loss, torch.stack(accuracies).mean().item()


def _claim(run_folder: Path, recipe: Recipe) -> None:
    """Record the recipe, or refuse a folder that another recipe's run is in."""
    path, text = run_folder / "recipe.json", json.dumps(asdict(recipe), indent=2).encode()
    try:
        other = path.exists() and path.read_bytes() != text
    except OSError as error:
        raise CheckpointError(
            f"cannot read {path}: {error.strerror}; choose another folder for the run"
        ) from error
    if other:
        raise CheckpointError(
            f"{run_folder} holds a run of another recipe; choose another folder or remove it"
        )
    write_atomically(path, text)
