"""A linear predictor of accuracy: one penalised weight for each choice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..space import Population, SearchSpace
from .denoise import Floats
from .features import feature_starts, one_hot
from .pooling import columns
from .predictor import Layer, MlpPredictor

_PENALTIES: Floats = np.logspace(-2, 3, 11)
_CONTEXT_FREEDOM = 10.0
"""Every network teaches its context's weight, so these are penalised a hundred times less."""


def train_ridge(
    space: SearchSpace,
    population: Population,
    accuracies: Floats,
    fold: NDArray[np.intp],
    _: np.random.Generator | None = None,
) -> MlpPredictor:
    """Train the linear predictor.

    A choice's weight is the sum of what it is worth in any slot, of what any block is worth in its
    stage and in its slot, of what each of its traits (its kernel, its expansion) is worth anywhere,
    in its stage and in its slot, and of what is special about it here. Each part is penalised
    alike, so few networks already teach what is common to many (partial pooling), and a rare
    choice is not overrated.

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
    return MlpPredictor(space, (layer,), mean, deviation)


def partial_offsets(
    space: SearchSpace, population: Population, accuracies: Floats, member: Floats
) -> Floats:
    """Return what members of a group have in common beyond what their networks are worth.

    Args:
        space: of the networks.
        population: (n, 1 + slots).
        accuracies: (n,).
        member: 1 where a network is in a group, else 0: (n, groups).
    """
    worth = one_hot(space, population) @ _pooling(space)
    features = np.concatenate([worth, _CONTEXT_FREEDOM * member], axis=1)
    fold: NDArray[np.intp] = np.arange(len(accuracies)) % min(5, len(accuracies))
    penalty = _best_penalty(features, accuracies, fold)
    weights = _ridge(features, accuracies, np.array([penalty]))[:, 0]
    offsets: Floats = _CONTEXT_FREEDOM * weights[1 + worth.shape[1] :]
    return offsets


def _pooling(space: SearchSpace) -> Floats:
    """Return the columns that weights are made of: (features, parts of a weight)."""
    starts = feature_starts(space)
    own = np.eye(starts[-1])
    own[: starts[0]] *= _CONTEXT_FREEDOM
    groups: dict[tuple[object, ...], list[int]] = {}
    for column in columns(space):
        stage, slot, label = column.stage, column.slot, column.label
        traits = {label, *column.traits}
        for group in [
            *(("anywhere", trait) for trait in traits),
            *(("stage", stage, trait) for trait in traits - {label}),
            *(("slot", slot, trait) for trait in traits - {label}),
            ("stage", stage),
            ("slot", slot),
        ]:
            groups.setdefault(group, []).append(column.index)
    pooled = np.zeros((starts[-1], len(groups)))
    for place, (_, members) in enumerate(sorted(groups.items(), key=repr)):
        pooled[members, place] = 1
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
