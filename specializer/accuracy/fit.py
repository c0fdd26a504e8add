"""Fitting an accuracy predictor to networks whose accuracy was really measured."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...tables.errors import FormatError
from ..space import Population, SearchSpace
from .denoise import Floats
from .features import feature_starts, one_hot
from .predictor import Layer, MlpPredictor

FOLDS = 5
"""Of cross-validations."""

_PENALTIES: Floats = np.logspace(-2, 3, 11)
_CONTEXT_FREEDOM = 10.0
"""Every network teaches its context's weight, so these are penalised a hundred times less."""
_TRAIT = re.compile(r"[a-z]+[0-9.]+")
"""What labels of choices are made of: ``k7e6`` has the traits ``k7`` and ``e6``."""


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A fitted predictor, and how it did on networks that it had not seen.

    Attributes:
        predictor: fitted to all networks.
        networks: how many it learnt from.
        penalty: of the squared weights, chosen by cross-validation.
        kendall_tau: of held-out predictions against the measured accuracies, -1 to 1.
        mean_absolute_error: of held-out predictions, as a fraction.
        held_out: each network's accuracy as predicted without it, as a fraction: (networks,).
    """

    predictor: MlpPredictor
    networks: int
    penalty: float
    kendall_tau: float
    mean_absolute_error: float
    held_out: Floats


def fit_ridge(
    space: SearchSpace,
    population: Population,
    accuracies: Floats,
    rng: np.random.Generator,
    folds: int = FOLDS,
    judged: NDArray[np.bool_] | None = None,
    targets: Floats | None = None,
) -> Fit:
    """Fit a linear predictor, one weight for each choice, with penalised weights.

    A choice's weight is the sum of what it is worth in any slot, of what any block is worth in its
    stage and in its slot, of what each of its traits (its kernel, its expansion) is worth anywhere,
    in its stage and in its slot, and of what is special about it here. Each part is penalised
    alike, so few networks already teach what is common to many (partial pooling), and a rare
    choice is not overrated.

    Each network's held-out prediction comes from a predictor that saw neither the network nor its
    fold, penalty included (nested cross-validation), so the report does not flatter.

    Args:
        space: of the networks.
        population: different networks: (n, 1 + slots).
        accuracies: top-1 as fractions: (n,).
        rng: deals the networks to the folds.
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
        predictor, _ = train_ridge(space, population[seen], wanted[seen], fold[seen])
        held_out[unseen] = predictor.predict(population[unseen])
    predictor, penalty = train_ridge(space, population, wanted, fold)
    counts = np.ones(len(accuracies), bool) if judged is None else judged
    return Fit(
        predictor,
        len(accuracies),
        penalty,
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


def train_ridge(
    space: SearchSpace, population: Population, accuracies: Floats, fold: NDArray[np.intp]
) -> tuple[MlpPredictor, float]:
    """Train the linear predictor once; return it with the penalty of its squared weights.

    Args:
        space: of the networks.
        population: (n, 1 + slots).
        accuracies: top-1 as fractions: (n,).
        fold: of the cross-validation that chooses the penalty, for each network: (n,).
    """
    mean, deviation = float(accuracies.mean()), float(accuracies.std()) or 1.0
    basis = _pooling(space)
    features = one_hot(space, population) @ basis
    targets = (accuracies - mean) / deviation
    penalty = _best_penalty(features, targets, fold)
    weights = _ridge(features, targets, np.array([penalty]))
    layer = Layer((basis @ weights[1:]).astype(np.float32), weights[0].astype(np.float32))
    return MlpPredictor(space, (layer,), mean, deviation), penalty


def kendall_tau(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Compare two rankings of the same things: 1 the same, -1 reversed, 0 unrelated or constant.

    Ties count neither way (τ-b). Takes memory and time proportional to the square of the count.

    Source: Kendall, The treatment of ties in ranking problems, Biometrika 33, 1945.
    """
    signs = [np.sign(values[:, None] - values) for values in (first, second)]
    untied = np.prod([np.square(sign).sum() for sign in signs])
    return float((signs[0] * signs[1]).sum() / np.sqrt(untied)) if untied else 0.0


def _pooling(space: SearchSpace) -> Floats:
    """Return the columns that weights are made of: (features, parts of a weight)."""
    starts = feature_starts(space)
    own = np.eye(starts[-1])
    own[: starts[0]] *= _CONTEXT_FREEDOM
    groups: dict[tuple[object, ...], list[int]] = {}
    stages = [index for index, stage in enumerate(space.stages) for _ in stage]
    for index, (slot, start, stage) in enumerate(zip(space.slots, starts, stages, strict=False)):
        for column, label in enumerate(slot.choices, start):
            traits = {label, *_TRAIT.findall(label)}
            for group in [
                *(("anywhere", trait) for trait in traits),
                *(("stage", stage, trait) for trait in traits - {label}),
                *(("slot", index, trait) for trait in traits - {label}),
                ("stage", stage),
                ("slot", index),
            ]:
                groups.setdefault(group, []).append(column)
    pooled = np.zeros((starts[-1], len(groups)))
    for place, (_, columns) in enumerate(sorted(groups.items(), key=repr)):
        pooled[columns, place] = 1
    return np.concatenate([own, pooled], axis=1)


def _best_penalty(features: Floats, targets: Floats, fold: NDArray[np.intp]) -> float:
    """Return the penalty with the least squared error over folds that were left out in turn."""
    errors = np.zeros_like(_PENALTIES)
    for index in np.unique(fold):
        seen, unseen = fold != index, fold == index
        predicted = _apply(features[unseen], _ridge(features[seen], targets[seen], _PENALTIES))
        errors += np.square(predicted - targets[unseen, None]).sum(axis=0)
    return float(_PENALTIES[errors.argmin()])


def _ridge(features: Floats, targets: Floats, penalties: Floats) -> Floats:
    """Solve ridge regression for several penalties: (1 + features, penalties), intercept first."""
    centre, level = features.mean(axis=0), targets.mean()
    centred = features - centre
    values, vectors = np.linalg.eigh(centred.T @ centred)
    moment = vectors.T @ (centred.T @ (targets - level))
    weights = vectors @ (moment[:, None] / (values[:, None] + penalties))
    return np.concatenate([(level - centre @ weights)[None], weights])


def _apply(features: Floats, weights: Floats) -> Floats:
    applied: Floats = features @ weights[1:] + weights[0]
    return applied
