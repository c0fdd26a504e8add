"""Accuracy as a sum over slots, where a predictor is one: what each choice is worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..accuracy.features import context_columns, feature_starts
from ..accuracy.predictor import AccuracyPredictor, MlpPredictor
from ..space import SearchSpace


@dataclass(frozen=True, slots=True, eq=False)
class Worth:
    """What is to be as high as it can, as a sum over slots.

    Attributes:
        fixed: of every network of a context: (contexts,).
        choice: that each choice adds, 0 for ``ABSENT``: (contexts, slots, highest choice + 1).
    """

    fixed: NDArray[np.float64]
    choice: NDArray[np.float64]

    def at(self, contexts: NDArray[np.intp]) -> Worth:
        """Return the same of some contexts."""
        return Worth(self.fixed[contexts], self.choice[contexts])


def additive_worth(space: SearchSpace, predictor: AccuracyPredictor) -> Worth | None:
    """Take a linear predictor apart, as ``train_ridge`` makes them; None for any other."""
    if not isinstance(predictor, MlpPredictor) or len(predictor.layers) != 1:
        return None
    (layer,) = predictor.layers
    weights = predictor.deviation * layer.weight[:, 0].astype(np.float64)
    level = predictor.mean + predictor.deviation * float(layer.bias[0])
    return worth_of(space, weights, level)


def worth_of(space: SearchSpace, weights: NDArray[np.floating], level: float) -> Worth:
    """Sort the weights of one-hot features, (features,), by slot and choice.

    Args:
        space: whose features they are, as ``one_hot`` orders them.
        weights: of each feature.
        level: that every network has.
    """
    starts, counts = feature_starts(space), space.choice_counts.tolist()
    choice = np.zeros((len(counts), max(counts) + 1))
    for slot, (start, count) in enumerate(zip(starts, counts, strict=False)):
        choice[slot, 1 : count + 1] = weights[start : start + count]
    fixed = level + weights[context_columns(space)].astype(np.float64).sum(axis=1)
    return Worth(fixed, np.broadcast_to(choice, (len(fixed), *choice.shape)))
