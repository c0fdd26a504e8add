"""What training aims at: hard labels, mixed with a pretrained teacher's answers."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from ...tables.atomic import write_atomically
from ...tables.errors import CheckpointError
from ..images import ImageFolder, centre_crop, open_image
from ..network import RunningNorm, graph_tensors, run_graph
from .efficientnet_lite import imagenet_classes, teacher_graph, teacher_pixels
from .recipe import Recipe

_BATCH = 64


def training_targets(recipe: Recipe, data: ImageFolder, cache: Path) -> Tensor:
    """Mix smoothed labels with the teacher's answers, where it knows the classes.

    Source: Hinton et al., Distilling the knowledge in a neural network, 2015; Once-for-All
    distils from the largest sub-network in the same way.

    Args:
        recipe: how much of which.
        data: training images; the classes that the teacher knows are Imagenette's.
        cache: ``.npy`` file of the teacher's logits, written the first time.

    Returns:
        Probabilities, (images, classes).

    Raises:
        CheckpointError: the cache is damaged or of other images.
        DatasetError: an image cannot be read.
        RuntimeMissingError: the package with the teacher is not installed.
    """
    hard = functional.one_hot(torch.tensor(data.labels), len(data.classes)).float()
    smooth = recipe.label_smoothing
    hard = hard * (1 - smooth) + smooth / len(data.classes)
    known = imagenet_classes(data.classes)
    if not known:
        return hard
    if not cache.exists():
        buffer = io.BytesIO()
        logits = _teacher_logits(data, known, recipe.teacher_resolution)
        np.save(buffer, logits.numpy(), allow_pickle=False)
        write_atomically(cache, buffer.getvalue())
    soft = (_cached_logits(cache, hard) / recipe.temperature).softmax(1)
    return (1 - recipe.teacher_share) * hard + recipe.teacher_share * soft


@torch.inference_mode()
def _teacher_logits(data: ImageFolder, known: tuple[int, ...], size: int) -> Tensor:
    graph = teacher_graph(size, known)
    weights = graph_tensors(graph)
    answers = []
    for first in range(0, len(data), _BATCH):
        paths = data.paths[first : first + _BATCH]
        pixels = np.stack([np.asarray(centre_crop(open_image(path), size)) for path in paths])
        images = teacher_pixels(torch.from_numpy(pixels).permute(0, 3, 1, 2))
        answers.append(run_graph(graph, weights, images, RunningNorm(0.0)))
    return torch.cat(answers)


def _cached_logits(cache: Path, like: Tensor) -> Tensor:
    try:
        logits = torch.from_numpy(np.load(cache, allow_pickle=False))
    except (OSError, EOFError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"the teacher's answers in {cache} are damaged; remove the file"
        ) from error
    if logits.shape != like.shape or logits.dtype != like.dtype:
        raise CheckpointError(
            f"the teacher's answers in {cache} are not to these {len(like)} images; "
            "choose another folder for the run, or remove the file"
        )
    return logits
