"""What a predictor would say of small changes, many networks at once, without asking it of each."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..accuracy.features import feature_starts, one_hot
from ..accuracy.predictor import AccuracyPredictor, MlpPredictor
from ..space import Population, SearchSpace
from .archive import Archive
from .worth import Worth, worth_of

_PENALTY = 1.0
_LEARNT_FROM = 3000
"""Networks that a linear model is fitted to, the best ones: it is asked about such."""

Tables = NDArray[np.float32]
"""What each value of each gene is worth in each network: (n, axes + slots, values).

The axes of the context come first. An empty slot is worth 0, so that the difference between two
values of one position is about what a change from one to the other gains.
"""


class Slopes(Protocol):
    """Whatever tells about how much small changes gain."""

    def tables(self, population: Population) -> Tables:
        """Return what each value of each gene is worth where these networks are."""
        ...

    def learn(self, archive: Archive) -> None:
        """Take into account what was scored since."""
        ...


def slopes_of(space: SearchSpace, predictor: AccuracyPredictor) -> Slopes:
    """Choose the best that a predictor allows: its gradient, or a linear model of its answers."""
    if isinstance(predictor, MlpPredictor):
        return Gradient(space, predictor)
    return LinearFit(space)


class Gradient:
    """The derivative of a predictor by its features: right for small changes, near each network.

    Args:
        space: of the networks.
        predictor: layers with ReLU between them.
    """

    def __init__(self, space: SearchSpace, predictor: MlpPredictor) -> None:
        self._space, self._predictor = space, predictor
        self._transposed = [np.ascontiguousarray(layer.weight.T) for layer in predictor.layers]
        self._places = _places(space)

    def tables(self, population: Population) -> Tables:
        """Go forwards and backwards through the layers, once for all networks."""
        layers = self._predictor.layers
        hidden, active = one_hot(self._space, population), []
        for layer in layers[:-1]:
            hidden = np.maximum(hidden @ layer.weight + layer.bias, 0)
            active.append(hidden > 0)
        slope = np.repeat(self._transposed[-1], len(population), axis=0)
        for on, back in zip(reversed(active), reversed(self._transposed[:-1]), strict=True):
            slope = (slope * on) @ back
        slope *= np.float32(self._predictor.deviation)
        positions, values = self._places
        tables = np.zeros((len(population), *_shape(self._space)), np.float32)
        tables[:, positions, values] = slope
        return tables

    def learn(self, archive: Archive) -> None:
        """Learn nothing: a gradient is what it is."""


class LinearFit:
    """A linear model of what a predictor said of the best networks so far, the same everywhere.

    Args:
        space: of the networks.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space, self._places = space, _places(space)
        self._table = np.zeros(_shape(space), np.float32)

    def tables(self, population: Population) -> Tables:
        """Return the same for every network."""
        return np.broadcast_to(self._table, (len(population), *self._table.shape))

    def learn(self, archive: Archive) -> None:
        """Fit the model anew."""
        weights, _ = _fitted(self._space, archive)
        positions, values = self._places
        self._table = np.zeros(_shape(self._space), np.float32)
        self._table[positions, values] = weights


def linear_worth(space: SearchSpace, archive: Archive) -> Worth:
    """Fit what each choice is worth to what a predictor said of networks."""
    weights, level = _fitted(space, archive)
    return worth_of(space, weights, level)


def _fitted(space: SearchSpace, archive: Archive) -> tuple[NDArray[np.float32], float]:
    """Fit weights, (features,), and a level by ridge regression."""
    population, scores = archive.networks(space)
    best = np.argsort(-scores, kind="stable")[:_LEARNT_FROM]
    features = one_hot(space, population[best])
    centre, level = features.mean(axis=0), float(scores[best].mean())
    centred = features - centre
    squares = centred.T @ centred
    squares[np.diag_indices(len(squares))] += _PENALTY
    moments = centred.T @ (scores[best] - level).astype(np.float32)
    weights = np.linalg.solve(squares, moments)
    return weights, level - float(centre @ weights)


def _shape(space: SearchSpace) -> tuple[int, int]:
    """Return the size of one network's table."""
    _, highest = space.gene_bounds
    return len(highest), int(highest.max()) + 1


def _places(space: SearchSpace) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the gene and the value that each feature stands for: (features,), (features,)."""
    starts = feature_starts(space)
    begins = np.concatenate([np.cumsum([0, *space.axis_counts]), starts[1:]])
    features = np.arange(starts[-1])
    positions = np.searchsorted(begins, features, side="right") - 1
    values = features - begins[positions] + (features >= starts[0])
    return positions, values
