"""How good an accuracy predictor is, and how many evaluations it takes to make one that good."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..space import Population, SearchSpace
from .denoise import Floats
from .fit import FOLDS, Train, kendall_tau
from .predictor import StoredPredictor

SMALLEST = 25
REPEATS = 10


@dataclass(frozen=True, slots=True)
class Quality:
    """Predictions against measured accuracies.

    Attributes:
        networks: how many the figures are about, or, in a learning curve, were learnt from.
        kendall_tau: -1 to 1.
        mean_absolute_error: as a fraction.
    """

    networks: int
    kendall_tau: float
    mean_absolute_error: float


def quality(predicted: NDArray[np.floating], measured: Floats) -> Quality:
    """Compare predictions of held-out networks with what was measured."""
    error = float(np.abs(predicted - measured).mean())
    return Quality(len(measured), kendall_tau(predicted, measured), error)


def quality_by_context(
    space: SearchSpace, population: Population, predicted: Floats, measured: Floats
) -> dict[str, Quality]:
    """Compare within each resolution, where no credit is due for telling resolutions apart."""
    places = space.genes(population)[:, 0]
    return {
        label: quality(predicted[chosen], measured[chosen])
        for index, label in enumerate(space.context_axes[0].labels)
        if (chosen := places == index).any()
    }


def learning_curve(
    train: Train[StoredPredictor],
    space: SearchSpace,
    population: Population,
    accuracies: Floats,
    targets: Floats,
    rng: np.random.Generator,
    repeats: int = REPEATS,
) -> list[Quality]:
    """Train with 25, 50, 100, … networks and as many as there are, and judge on the others.

    A random third is held out; what remains is taken in growing parts, so that each part of a
    repeat is judged on the same networks. The figures are means of several such repeats.

    Args:
        train: makes a predictor.
        space: of the networks.
        population: different networks: (n, 1 + slots).
        accuracies: top-1 as fractions, to be compared with: (n,).
        targets: what is learnt: (n,).
        rng: parts the networks, and trains.
        repeats: how often.

    Returns:
        One entry for each size, ascending; none where there are too few networks.
    """
    count, held_out = len(population), len(population) // 3
    most = count - held_out
    sizes = [SMALLEST << step for step in range(20) if SMALLEST << step < most]
    if most < SMALLEST:
        return []
    found = np.empty((repeats, len(sizes) + 1, 2))
    for repeat in range(repeats):
        order = rng.permutation(count)
        judged, learnt = order[:held_out], order[held_out:]
        for index, size in enumerate([*sizes, most]):
            fold: NDArray[np.intp] = np.arange(size) % FOLDS
            chosen = learnt[:size]
            predictor = train(space, population[chosen], targets[chosen], fold, rng)
            result = quality(predictor.predict(population[judged]), accuracies[judged])
            found[repeat, index] = result.kendall_tau, result.mean_absolute_error
    means = found.mean(axis=0).tolist()
    return [Quality(size, *mean) for size, mean in zip([*sizes, most], means, strict=True)]
