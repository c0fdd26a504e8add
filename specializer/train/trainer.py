"""The trainer: progressive shrinking with knowledge distillation, resumable at any step.

Everything random is drawn from (seed, phase, epoch or step), never from a running generator, so a
run that was interrupted continues with the batches and sub-networks that it would have had.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from ...tables.atomic import write_atomically
from ...tables.errors import CheckpointError, DatasetError
from ..network import RunningNorm, graph_tensors, run_graph
from ..supernets.elastic import ElasticMobileNetV3
from ..supernets.mobilenet_v3 import MobileNetV3
from .efficientnet_lite import imagenet_classes, teacher_graph, teacher_pixels
from ..images import ImageFolder, centre_crop, open_image, random_crop, to_tensor
from .recipe import Phase, Recipe, learning_rate, step_subnetworks
from .sorting import sort_channels
from .warm_start import warm_start

CHECKPOINT_EVERY_S = 120.0


@dataclass(frozen=True, slots=True)
class Step:
    """What one step of training reports.

    Attributes:
        step: within the phase, counted from 1.
        loss: cross-entropy to the target, mean over the step's sub-networks.
        accuracy: top-1 of the batch under training, mean over the step's sub-networks.
    """

    phase: str
    step: int
    steps: int
    loss: float
    accuracy: float
    seconds: float


def train(
    recipe: Recipe,
    data: ImageFolder,
    run_folder: Path,
    report: Callable[[Step], None],
    device: str = "cpu",
) -> ElasticMobileNetV3:
    """Train a supernet, or go on with the run that ``run_folder`` holds.

    Args:
        recipe: what to do.
        data: the training split; ``recipe.held_out`` of its images are never trained on.
        run_folder: gets ``last.pt`` (everything a resumed run needs), ``log.jsonl``,
            ``recipe.json`` and the teacher's cached answers.
        report: called after every step.
        device: where torch computes.

    Returns:
        The trained supernet; its BatchNorm statistics are still to be calibrated.

    Raises:
        DatasetError: an image cannot be read, or the loss is no longer a number.
        CheckpointError: the folder holds another recipe's run.
    """
    trained, _ = data.split(recipe.held_out, recipe.seed)
    if len(trained) < recipe.batch_size:
        raise DatasetError(
            f"{len(trained)} images are fewer than one batch of {recipe.batch_size}; "
            "add images or choose a recipe with smaller batches"
        )
    run_folder.mkdir(parents=True, exist_ok=True)
    _claim(run_folder, recipe)
    torch.manual_seed(recipe.seed)
    supernet = ElasticMobileNetV3(MobileNetV3(recipe.width, len(data.classes), recipe.resolutions))
    state = _TrainingState(recipe, supernet.to(device, memory_format=torch.channels_last))
    if not state.resume(run_folder / "last.pt"):
        warm_start(supernet)
    targets = _targets(recipe, trained, run_folder / "teacher.npy")
    saved_at = time.monotonic()
    while state.phase < len(recipe.phases):
        phase = recipe.phases[state.phase]
        if state.step == 0 and phase.sort_channels:
            sort_channels(supernet)
        steps = phase.epochs * (len(trained) // recipe.batch_size)
        for step, batch in _batches(recipe, state.phase, state.step, steps, trained):
            started = time.monotonic()
            loss, accuracy = _train_step(recipe, phase, state, steps, batch, targets, device)
            state.step = step + 1
            done = Step(phase.name, step + 1, steps, loss, accuracy, time.monotonic() - started)
            _log(run_folder / "log.jsonl", done)
            report(done)
            if time.monotonic() - saved_at > CHECKPOINT_EVERY_S:
                state.save(run_folder / "last.pt")
                saved_at = time.monotonic()
        state.next_phase()
        state.save(run_folder / "last.pt")
    return supernet


class _TrainingState:
    """The mutable heart of a run: weights, optimizer, and where in the recipe we are."""

    def __init__(self, recipe: Recipe, supernet: ElasticMobileNetV3) -> None:
        self.recipe, self.supernet = recipe, supernet
        self.phase, self.step = 0, 0
        self.optimizer = self._new_optimizer()

    def _new_optimizer(self) -> torch.optim.Optimizer:
        decayed, free = [], []
        for name, parameter in self.supernet.named_parameters():
            matrix = name.endswith("_matrix")
            (decayed if parameter.dim() > 1 and not matrix else free).append(parameter)
        groups = [
            {"params": decayed, "weight_decay": self.recipe.weight_decay},
            {"params": free, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=0.0)

    def next_phase(self) -> None:
        self.phase, self.step = self.phase + 1, 0
        self.optimizer = self._new_optimizer()

    def save(self, path: Path) -> None:
        buffer = io.BytesIO()
        torch.save(
            {
                "phase": self.phase,
                "step": self.step,
                "supernet": self.supernet.state_dict(),
                "optimizer": self.optimizer.state_dict(),
            },
            buffer,
        )
        write_atomically(path, buffer.getvalue())

    def resume(self, path: Path) -> bool:
        """Load what ``save`` wrote; False where there is nothing to resume."""
        if not path.exists():
            return False
        try:
            saved = torch.load(path, map_location="cpu", weights_only=True)
            self.supernet.load_state_dict(saved["supernet"])
            self.phase, self.step = int(saved["phase"]), int(saved["step"])
            self.optimizer = self._new_optimizer()
            self.optimizer.load_state_dict(saved["optimizer"])
        except Exception as error:
            raise CheckpointError(
                f"{path} cannot be resumed ({error}); remove it to start the run anew"
            ) from error
        return True


@dataclass(frozen=True, slots=True)
class _Batch:
    images: Tensor
    indices: Tensor
    rng_seed: tuple[int, ...]


def _train_step(
    recipe: Recipe,
    phase: Phase,
    state: _TrainingState,
    steps: int,
    batch: _Batch,
    targets: Tensor,
    device: str,
) -> tuple[float, float]:
    spec = state.supernet.spec
    rng = np.random.default_rng(batch.rng_seed)
    subnetworks = step_subnetworks(spec, phase, state.step, rng)
    rate = learning_rate(recipe, phase, state.step, steps)
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    images, target = batch.images.to(device), targets[batch.indices].to(device)
    answer = target.argmax(1)
    losses, accuracies = [], []
    teaches = phase.extreme and state.step % 2 == 0  # the largest comes first and teaches
    for index, subnetwork in enumerate(subnetworks):
        logits = state.supernet(images, subnetwork)
        loss = functional.cross_entropy(logits, target)
        loss.backward()
        losses.append(loss.detach())
        accuracies.append((logits.argmax(1) == answer).float().mean())
        if teaches and index == 0:
            target = (target + logits.detach().softmax(1)) / 2
    mean_loss = torch.stack(losses).mean().item()
    if not np.isfinite(mean_loss):
        raise DatasetError(
            f"the loss is {mean_loss} at step {state.step} of {phase.name}; the last checkpoint "
            "is kept: lower the learning rate, or look for broken images"
        )
    torch.nn.utils.clip_grad_norm_(state.supernet.parameters(), 5.0)
    state.optimizer.step()
    state.optimizer.zero_grad(set_to_none=True)
    return mean_loss, torch.stack(accuracies).mean().item()


def _batches(
    recipe: Recipe, phase: int, first_step: int, steps: int, data: ImageFolder
) -> Iterator[tuple[int, _Batch]]:
    """Yield (step, batch), decoding ahead on another thread."""
    per_epoch = len(data) // recipe.batch_size

    def load(step: int) -> _Batch:
        epoch, place = divmod(step, per_epoch)
        order = np.random.default_rng((recipe.seed, phase, epoch)).permutation(len(data))
        chosen = order[place * recipe.batch_size : (place + 1) * recipe.batch_size]
        rng_seed = (recipe.seed, phase, step)
        # the same draw as in the training step: the crop must have the step's resolution
        size = recipe.resolutions[
            int(np.random.default_rng(rng_seed).integers(0, len(recipe.resolutions)))
        ]
        crops = np.random.default_rng((*rng_seed, 1))
        images = [random_crop(open_image(data.paths[index]), size, crops) for index in chosen]
        return _Batch(to_tensor(images), torch.from_numpy(chosen), rng_seed)

    with ThreadPoolExecutor(1) as pool:
        waiting: list[Future[_Batch]] = []
        for step in range(first_step, min(first_step + 2, steps)):
            waiting.append(pool.submit(load, step))
        for step in range(first_step, steps):
            batch = waiting.pop(0).result()
            if step + 2 < steps:
                waiting.append(pool.submit(load, step + 2))
            yield step, batch


def _targets(recipe: Recipe, data: ImageFolder, cache: Path) -> Tensor:
    """Mix hard labels with the teacher's answers: (images, classes), rows sum to 1."""
    hard = functional.one_hot(torch.tensor(data.labels), len(data.classes)).float()
    smooth = recipe.label_smoothing
    hard = hard * (1 - smooth) + smooth / len(data.classes)
    classes = imagenet_classes(data.classes)
    if not classes:  # not ImageNet's classes: this teacher has no answer to give
        return hard
    logits = _teacher_logits(recipe, data, classes, cache)
    soft = (logits / recipe.temperature).softmax(1)
    return (1 - recipe.teacher_share) * hard + recipe.teacher_share * soft


@torch.inference_mode()
def _teacher_logits(
    recipe: Recipe, data: ImageFolder, classes: tuple[int, ...], cache: Path
) -> Tensor:
    if cache.exists():
        return torch.from_numpy(np.load(cache, allow_pickle=False))
    size = recipe.teacher_resolution
    graph = teacher_graph(size, classes)
    weights = graph_tensors(graph)
    answers = []
    for first in range(0, len(data), recipe.batch_size):
        paths = data.paths[first : first + recipe.batch_size]
        pixels = np.stack([np.asarray(centre_crop(open_image(path), size)) for path in paths])
        images = teacher_pixels(torch.from_numpy(pixels).permute(0, 3, 1, 2))
        answers.append(run_graph(graph, weights, images, RunningNorm(0.0)))
    logits = torch.cat(answers)
    buffer = io.BytesIO()
    np.save(buffer, logits.numpy(), allow_pickle=False)
    write_atomically(cache, buffer.getvalue())
    return logits


def _claim(run_folder: Path, recipe: Recipe) -> None:
    """Record the recipe, or refuse a folder that another recipe's run is in."""
    path, text = run_folder / "recipe.json", json.dumps(asdict(recipe), indent=2)
    if path.exists() and path.read_text() != text:
        raise CheckpointError(
            f"{run_folder} holds a run of another recipe; choose another folder or remove it"
        )
    write_atomically(path, text.encode())


def _log(path: Path, step: Step) -> None:
    with path.open("a") as log:
        log.write(json.dumps(asdict(step)) + "\n")
