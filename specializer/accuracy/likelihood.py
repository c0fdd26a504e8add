"""The kernel of a Gaussian process that makes measured accuracies most likely."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..space import Population, SearchSpace
from .adam import Adam
from .denoise import Floats
from .gaussian_process import GaussianProcess
from .kernel import LEVEL, SMOOTH, Counts, Kernel, squared_distances
from .pooling import COMPONENTS

_STEPS = 40
_RATE = 0.15
_MOST = 400
"""Networks that choose the kernel; each step takes time that grows with their cube."""

_OWN, _SHARE, _CURVED, _BEND, _NOISE = 0.005, 0.05, 0.3, 0.15, 0.1
"""Where variances start. Contexts come in order, so little is left to each of its own."""

_START: Floats = np.log(
    [_OWN, *[_SHARE] * (len(COMPONENTS) - 1), _CURVED, *[_BEND] * len(SMOOTH), _NOISE]
)
_SURE = 2.0
"""Standard deviation of a variance's logarithm around the start, before anything was measured."""


def train_gaussian_process(
    space: SearchSpace,
    population: Population,
    accuracies: Floats,
    _fold: NDArray[np.intp],
    rng: np.random.Generator,
) -> GaussianProcess:
    """Train a Gaussian process.

    Args:
        space: of the networks.
        population: (n, 1 + slots).
        accuracies: top-1 as fractions: (n,).
        rng: draws the networks that choose the kernel where there are very many.
    """
    chosen = np.sort(rng.permutation(len(accuracies))[:_MOST])
    kernel = likeliest_kernel(space, population[chosen], accuracies[chosen])
    return GaussianProcess(space, population, accuracies, kernel)


def likeliest_kernel(space: SearchSpace, population: Population, accuracies: Floats) -> Kernel:
    """Climb to the variances that make the accuracies most likely, from a usual start.

    Source: Rasmussen and Williams (2006), section 5.4.1, equations 5.8 and 5.9.
    """
    values = (accuracies - accuracies.mean()) / (accuracies.std() or 1.0)
    counts = Counts.of(space, population)(population)
    alike = np.array([count @ count.T for count in counts])
    apart = np.array([squared_distances(counts[c], counts[c]) for c in SMOOTH])
    logarithms, adam = _START.copy(), Adam(_RATE)
    best, best_loss = logarithms, np.inf
    for _ in range(_STEPS + 1):
        loss, slopes = _loss(Kernel.of(logarithms), values, alike, apart)
        off = (logarithms - _START) / _SURE
        loss += 0.5 * float(off @ off)
        if loss < best_loss:
            best, best_loss = logarithms, loss
        (logarithms,) = adam.step([logarithms], [slopes + off / _SURE])
    return Kernel.of(best)


def _loss(kernel: Kernel, values: Floats, alike: Floats, apart: Floats) -> tuple[float, Floats]:
    """Return minus the logarithm of the likelihood, and its slope in each logarithm."""
    near = np.exp(-np.tensordot(kernel.bends, apart, 1))
    covariance = LEVEL + np.tensordot(kernel.additive, alike, 1) + kernel.smooth * near
    covariance[np.diag_indices_from(covariance)] += kernel.noise
    triangle = np.linalg.cholesky(covariance)
    root = np.linalg.inv(triangle)
    inverse = root.T @ root
    pull = inverse @ values
    loss = 0.5 * float(values @ pull) + float(np.log(np.diag(triangle)).sum())
    away = inverse - np.outer(pull, pull)
    curved = kernel.smooth * away * near
    slopes = [
        *(kernel.additive * np.tensordot(alike, away, 2)),
        curved.sum(),
        *(-kernel.bends * np.tensordot(apart, curved, 2)),
        kernel.noise * np.trace(away),
    ]
    return loss, 0.5 * np.array(slopes)
