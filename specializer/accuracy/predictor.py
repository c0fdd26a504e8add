"""Accuracy of a sub-network without running it: what every predictor does, and the simplest.

Predictors of several kinds stand behind one interface, are kept in one kind of file, and are read
by ``load_predictor`` of the module ``stored``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ...tables.errors import CheckpointError
from ..space import Population, SearchSpace
from .container import OLDEST_KIND, check_finite, read_arrays, readable, write_arrays
from .features import feature_starts, one_hot

Predicted = NDArray[np.float32]


class AccuracyPredictor(Protocol):
    """Whatever tells the accuracy of sub-networks at once."""

    def predict(self, population: Population) -> Predicted:
        """Return each network's top-1 accuracy as a fraction: (n,)."""
        ...


class StoredPredictor(AccuracyPredictor, Protocol):
    """A predictor that can be kept in a file, from which ``load_predictor`` reads it."""

    def save(self, path: Path) -> None:
        """Write an ``.npz`` file; OutputError when it cannot be written."""
        ...


@runtime_checkable
class UncertainPredictor(AccuracyPredictor, Protocol):
    """A predictor that knows how far off it may be."""

    @property
    def noise(self) -> float:
        """The part of its deviations that stays however much it learns, as a fraction."""
        ...

    def predict_with_deviation(self, population: Population) -> tuple[Predicted, Predicted]:
        """Return each network's accuracy, and how far that which is measured may lie off it.

        Returns:
            Accuracies and standard deviations, both as fractions: (n,), (n,). The latter hold for
            evaluations like those that it learnt from, whose noise they include.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A linear map.

    Attributes:
        weight: (in, out).
        bias: (out,).
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class MlpPredictor:
    """Linear layers with ReLU between them, over the one-hot features of a space.

    One layer and no hidden one is a linear model, as ``train_ridge`` makes it. Nothing keeps an
    answer within 0 and 1: cutting it off there would make the best networks equal.

    Source: Cai et al., Once-for-All, ICLR 2020, section 3.4 (accuracy predictor).

    Attributes:
        space: whose networks it knows.
        layers: from the features to one number.
        mean: of the accuracies that it was fitted to; the layers tell standardised ones.
        deviation: standard deviation of the same.

    Raises:
        CheckpointError: the layers do not fit the space or each other, or are not finite.
    """

    space: SearchSpace
    layers: tuple[Layer, ...]
    mean: float = 0.0
    deviation: float = 1.0

    def __post_init__(self) -> None:
        features = int(feature_starts(self.space)[-1])
        widths = [features, *(layer.bias.size for layer in self.layers)]
        shapes = [(layer.weight.shape, layer.bias.shape) for layer in self.layers]
        if widths[-1] != 1 or shapes != [((i, o), (o,)) for i, o in pairwise(widths)]:
            raise CheckpointError(
                f"an accuracy predictor for {self.space.name} leads from {features} features to "
                f"one number, unlike these weights and biases: {shapes}"
            )
        arrays = [array for layer in self.layers for array in (layer.weight, layer.bias)]
        check_finite(self.space, *arrays, self.mean, self.deviation)

    def predict(self, population: Population) -> Predicted:
        """Return each network's top-1 accuracy as a fraction: (n,)."""
        hidden = one_hot(self.space, population)
        for layer in self.layers[:-1]:
            hidden = hidden @ layer.weight
            hidden += layer.bias
            np.maximum(hidden, 0, out=hidden)
        last = self.layers[-1]
        accuracies: Predicted = (hidden @ last.weight + last.bias)[:, 0]
        accuracies *= np.float32(self.deviation)
        accuracies += np.float32(self.mean)
        return accuracies

    def save(self, path: Path) -> None:
        """Write an ``.npz`` file that ``load`` reads; OutputError when it cannot be written."""
        arrays: dict[str, NDArray[np.generic]] = {"target": np.array([self.mean, self.deviation])}
        for index, layer in enumerate(self.layers):
            arrays |= {f"weight{index}": layer.weight, f"bias{index}": layer.bias}
        write_arrays(path, self.space, arrays)

    @classmethod
    def load(cls, path: Path, space: SearchSpace) -> MlpPredictor:
        """Read what ``save`` wrote for the same space.

        Raises:
            CheckpointError: the file cannot be read, is no such predictor, or is for another space.
        """
        kind, arrays = read_arrays(path, space)
        with readable(path):
            if kind != OLDEST_KIND:
                raise ValueError(f"it holds a {kind}")
            return cls.from_arrays(space, arrays)

    @classmethod
    def from_arrays(
        cls, space: SearchSpace, arrays: Mapping[str, NDArray[np.generic]]
    ) -> MlpPredictor:
        """Make it of what ``save`` wrote."""
        mean, deviation = map(float, arrays["target"])
        layers = tuple(
            Layer(*(arrays[f"{name}{index}"].astype(np.float32) for name in ("weight", "bias")))
            for index in range(len(arrays) // 2)
        )
        return cls(space, layers, mean, deviation)
