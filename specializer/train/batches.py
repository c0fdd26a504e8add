"""Batches of training: which images, cropped how, for which sub-networks.

Everything random is drawn from (seed, phase, epoch or step), never from a running generator, so a
run that was interrupted goes on with the batches that it would have had. All processes of a run
train the same sub-networks, each on its own part of the batch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..space import SubNetwork
from ..supernets.mobilenet_v3 import MobileNetV3
from .draw import step_subnetworks
from .photos import Photos
from .process import Process
from .recipe import Phase, Recipe, batch_size

_AHEAD = 2
"""Batches that wait while another one trains, for each thread that makes some."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What one step trains.

    Attributes:
        step: within the phase, counted from 0.
        subnetworks: all of one resolution.
        pixels: of the images at that resolution, in 0–255: (N, 3, size, size).
        teacher_pixels: the same crops at the teacher's resolution, where it looks at them.
        indices: of the images in their folder: (N,).
        share: of each image in the mixture with its partner; 1 where none are mixed.
    """

    step: int
    subnetworks: tuple[SubNetwork, ...]
    pixels: Tensor
    teacher_pixels: Tensor | None
    indices: Tensor
    share: float


def steps_per_epoch(recipe: Recipe, phase: Phase, images: int) -> int:
    """Count the full batches of one epoch; what is left over waits for another shuffle."""
    return images // batch_size(recipe, phase)


def batches(
    recipe: Recipe,
    spec: MobileNetV3,
    photos: Photos,
    images: int,
    phase: int,
    first_step: int,
    process: Process,
    teacher_size: int | None,
) -> Iterator[Batch]:
    """Yield this process's part of a phase's batches in order.

    Args:
        recipe: with the phases.
        spec: of the supernet.
        photos: training images.
        images: how many there are.
        phase: index into the recipe's phases.
        first_step: how many steps of the phase are done already.
        process: which part of each batch it gets.
        teacher_size: in pixels, where the teacher looks at the crops.

    Raises:
        DatasetError: an image cannot be read.
        FormatError: the phase and the recipe's region have nothing in common.
    """
    under_way = recipe.phases[phase]
    per_epoch, count = steps_per_epoch(recipe, under_way, images), batch_size(recipe, under_way)

    def load(step: int) -> Batch:
        epoch, place = divmod(step, per_epoch)
        order = np.random.default_rng((recipe.seed, phase, epoch)).permutation(images)
        chosen = order[place * count : (place + 1) * count]
        rng = np.random.default_rng((recipe.seed, phase, step))
        subnetworks = step_subnetworks(spec, recipe, under_way, step, rng)
        share = float(rng.beta(recipe.mixup, recipe.mixup)) if recipe.mixup else 1.0
        mine = chosen[process.rank :: process.world]
        rng = np.random.default_rng((recipe.seed, phase, step, 1 + process.rank))
        size = spec.resolution(subnetworks[0])
        sizes = (size,) if teacher_size is None else (size, teacher_size)
        pixels, *others = photos.crop(mine, recipe.least_area, rng, sizes)
        return Batch(
            step, subnetworks, pixels, others[0] if others else None, torch.from_numpy(mine), share
        )

    return _ahead(load, range(first_step, under_way.epochs * per_epoch), photos.threads)


def _ahead(load: Callable[[int], Batch], steps: range, threads: int) -> Iterator[Batch]:
    """Yield what ``load`` makes of each step, in order, made on other threads where there are."""
    if not threads:
        yield from map(load, steps)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Batch]] = deque()
        for step in steps:
            waiting.append(pool.submit(load, step))
            if len(waiting) > _AHEAD * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
