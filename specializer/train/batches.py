"""Batches of training: which images, cropped how, for which sub-networks.

Everything random is drawn from (seed, phase, epoch or step), never from a running generator, so a
run that was interrupted goes on with the batches that it would have had.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..images import ImageFolder, open_image, random_crop, to_tensor
from ..space import SubNetwork
from ..supernets.mobilenet_v3 import MobileNetV3
from .recipe import Recipe, step_subnetworks

_AHEAD = 2
"""Batches that are decoded while another one trains."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What one step trains.

    Attributes:
        step: within the phase, counted from 0.
        subnetworks: all of one resolution.
        images: (N, 3, size, size) at that resolution, normalised.
        indices: of the images in their folder, (N,).
    """

    step: int
    subnetworks: tuple[SubNetwork, ...]
    images: Tensor
    indices: Tensor


def steps_per_epoch(recipe: Recipe, data: ImageFolder) -> int:
    """Count the full batches of one epoch; what is left over waits for another shuffle."""
    return len(data) // recipe.batch_size


def batches(
    recipe: Recipe, spec: MobileNetV3, data: ImageFolder, phase: int, first_step: int
) -> Iterator[Batch]:
    """Yield a phase's batches in order, decoding the next ones on another thread.

    Args:
        recipe: with the phases.
        spec: of the supernet.
        data: training images.
        phase: index into the recipe's phases.
        first_step: how many steps of the phase are done already.

    Raises:
        DatasetError: an image cannot be read.
    """
    per_epoch = steps_per_epoch(recipe, data)
    steps = recipe.phases[phase].epochs * per_epoch

    def load(step: int) -> Batch:
        epoch, place = divmod(step, per_epoch)
        order = np.random.default_rng((recipe.seed, phase, epoch)).permutation(len(data))
        chosen = order[place * recipe.batch_size : (place + 1) * recipe.batch_size]
        subnetworks = step_subnetworks(
            spec, recipe.phases[phase], step, np.random.default_rng((recipe.seed, phase, step))
        )
        size = spec.resolution(subnetworks[0])
        rng = np.random.default_rng((recipe.seed, phase, step, 1))
        images = [random_crop(open_image(data.paths[index]), size, rng) for index in chosen]
        return Batch(step, tuple(subnetworks), to_tensor(images), torch.from_numpy(chosen))

    with ThreadPoolExecutor(1) as pool:
        waiting: deque[Future[Batch]] = deque()
        for step in range(first_step, steps):
            waiting.append(pool.submit(load, step))
            if len(waiting) > _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
