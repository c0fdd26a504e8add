"""Fitting an accuracy predictor to networks whose accuracy was really measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...tables.errors import FormatError
from ..space import Population, SearchSpace
from .denoise import Floats
from .predictor import StoredPredictor

FOLDS = 5
"""Of cross-validations."""

Kept_co = TypeVar("Kept_co", bound=StoredPredictor, covariant=True)
"""A kind of predictor."""

Train = Callable[[SearchSpace, Population, Floats, NDArray[np.intp], np.random.Generator], Kept_co]
"""Trains a predictor once.

It is given the space, different networks, (n, 1 + slots), their accuracies as fractions, (n,), and
the fold of a cross-validation that chooses what has to be chosen, for each network, (n,).
"""


@dataclass(frozen=True, slots=True, eq=False)
class Fit(Generic[Kept_co]):
    """A fitted predictor, and how it did on networks that it had not seen.

    Attributes:
        predictor: fitted to all networks.
        networks: how many it learnt from.
        kendall_tau: of held-out predictions against the measured accuracies, -1 to 1.
        mean_absolute_error: of held-out predictions, as a fraction.
        held_out: each network's accuracy as predicted without it, as a fraction: (networks,).
    """

    predictor: Kept_co
    networks: int
    kendall_tau: float
    mean_absolute_error: float
    held_out: Floats


def fit(
    train: Train[Kept_co],
    space: SearchSpace,
    population: Population,
    accuracies: Floats,
    rng: np.random.Generator,
    folds: int = FOLDS,
    judged: NDArray[np.bool_] | None = None,
    targets: Floats | None = None,
) -> Fit[Kept_co]:
    """Fit a predictor, and judge it by cross-validation.

    Each network's held-out prediction comes from a predictor that saw neither the network nor its
    fold, whatever it chose included (nested cross-validation), so the report does not flatter.

    Args:
        train: makes a predictor of networks and their accuracies.
        space: of the networks.
        population: different networks: (n, 1 + slots).
        accuracies: top-1 as fractions: (n,).
        rng: deals the networks to the folds, and trains.
        folds: of the cross-validation.
        judged: whether a network counts in the figures: (n,); all do where this is None.
        targets: what is learnt in place of ``accuracies``, such as ``denoised`` ones: (n,). The
            figures compare with ``accuracies`` in any case.

    Raises:
        FormatError: too few networks, one of them twice, or accuracies that teach nothing.
    """
    check_enough(min(len(population), len(accuracies)), folds)
    if len(population) != len(accuracies):
        raise FormatError(f"{len(population)} networks have {len(accuracies)} accuracies")
    if len(np.unique(population, axis=0)) < len(population):
        raise FormatError("a network is given twice: held-out figures would then be too good")
    if not np.isfinite(accuracies).all() or np.ptp(accuracies) == 0:
        raise FormatError("accuracies must be finite and differ, or there is nothing to learn")
    wanted = accuracies if targets is None else targets
    fold = rng.permutation(len(accuracies)) % folds
    held_out = np.empty(len(accuracies))
    for index in range(folds):
        seen, unseen = fold != index, fold == index
        predictor = train(space, population[seen], wanted[seen], fold[seen], rng)
        held_out[unseen] = predictor.predict(population[unseen])
    counts = np.ones(len(accuracies), bool) if judged is None else judged
    return Fit(
        train(space, population, wanted, fold, rng),
        len(accuracies),
        kendall_tau(held_out[counts], accuracies[counts]),
        float(np.abs(held_out - accuracies)[counts].mean()),
        held_out,
    )


def check_enough(networks: int, folds: int = FOLDS) -> None:
    """Raise FormatError where there are too few networks to fit a predictor to, and judge it."""
    if networks < 4 * folds:
        raise FormatError(
            f"{networks} networks that were chosen by no predictor cannot fit one in {folds} "
            f"folds: evaluate at least {4 * folds}"
        )


def kendall_tau(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Compare two rankings of the same things: 1 the same, -1 reversed, 0 unrelated or constant.

    Ties count neither way (τ-b). Takes memory and time proportional to the square of the count.

    Source: Kendall, The treatment of ties in ranking problems, Biometrika 33, 1945.
    """
    signs = [np.sign(values[:, None] - values) for values in (first, second)]
    untied = np.prod([np.square(sign).sum() for sign in signs])
    return float((signs[0] * signs[1]).sum() / np.sqrt(untied)) if untied else 0.0
