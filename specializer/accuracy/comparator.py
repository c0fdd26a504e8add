"""A comparator of two networks: which of them is the better one, and from that a ranking.

It learns from pairs, of which n evaluated networks make n (n - 1) / 2, and only from which of two
did better: accuracies that were judged differently, or on different images, need not be brought
to one scale as long as those of a pair are on one.

Source: Chen et al., Contrastive neural architecture search with neural architecture comparators
(CTNAS), CVPR 2021, sections 3.2 and 3.3. There a graph network embeds the two; here the choices of
a space are its features, and the answer changes its sign with the order of the pair.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...tables.errors import CheckpointError
from ..space import Population, SearchSpace
from .container import check_finite, write_arrays
from .denoise import Floats
from .features import feature_starts, one_hot
from .predictor import Predicted

KIND = "comparator"

_CHUNK = 512
"""Networks compared at once, so that memory does not grow with their number."""


@dataclass(frozen=True, slots=True, eq=False)
class Comparator:
    """One hidden layer of ReLU over two networks' features, beside a linear path.

    Attributes:
        space: whose networks it knows.
        first: weights from the features of the network in question: (features, units).
        second: weights from the features of the one that it is compared with: (features, units).
        bias: of the units: (units,).
        out: weights of the units: (units,).
        linear: of the features, each network's own: (features,).
        panel: features of the networks that all others are compared with: (panel, features).
        scale: mean log odds, ascending, and the accuracies that they stand for: (2, points). It is
            linear between these and beyond them.

    Raises:
        CheckpointError: the arrays do not fit the space or each other, or are not finite.
    """

    space: SearchSpace
    first: Predicted
    second: Predicted
    bias: Predicted
    out: Predicted
    linear: Predicted
    panel: Predicted
    scale: Floats

    def __post_init__(self) -> None:
        features = int(feature_starts(self.space)[-1])
        arrays = self.first, self.second, self.bias, self.out, self.linear, self.panel
        shapes = tuple(array.shape for array in arrays)
        units, count = self.bias.size, len(self.panel) if self.panel.ndim else 0
        pair = (features, units), (features, units), (units,), (units,), (features,)
        if not count or shapes != (*pair, (count, features)):
            raise CheckpointError(
                f"a comparator for {self.space.name} leads from twice {features} features to one "
                f"number, unlike these weights and networks: {shapes}"
            )
        check_finite(self.space, *arrays, self.scale)
        shape = self.scale.shape
        if len(shape) != 2 or shape[0] != 2 or shape[1] < 2 or np.diff(self.scale).min() <= 0:
            raise CheckpointError(f"the comparator for {self.space.name} has a scale that falls")

    def log_odds(self, population: Population, others: Population) -> Predicted:
        """Return the log odds that each network is better than each of others: (n, others)."""
        return self._log_odds(one_hot(self.space, population), one_hot(self.space, others))

    def predict(self, population: Population) -> Predicted:
        """Return each network's top-1 accuracy as a fraction: (n,).

        It is a rank first of all: by how much the network beats the panel, on the scale of
        accuracies.
        """
        odds, (points, accuracies) = self.mean_log_odds(population), self.scale
        segment = np.clip(np.searchsorted(points, odds) - 1, 0, len(points) - 2)
        slopes = np.diff(accuracies) / np.diff(points)
        told: Floats = accuracies[segment] + slopes[segment] * (odds - points[segment])
        return told.astype(np.float32)

    def mean_log_odds(self, population: Population) -> Floats:
        """Return the log odds that each network is better than one of the panel: (n,)."""
        odds = np.empty(len(population))
        for start in range(0, len(population), _CHUNK):
            features = one_hot(self.space, population[start : start + _CHUNK])
            odds[start : start + _CHUNK] = self._log_odds(features, self.panel).mean(axis=1)
        return odds

    def _log_odds(self, one: Predicted, other: Predicted) -> Predicted:
        forth = (one @ self.first)[:, None] + (other @ self.second + self.bias)
        back = (one @ self.second)[:, None] + (other @ self.first + self.bias)
        np.maximum(forth, 0, out=forth)
        np.maximum(back, 0, out=back)
        forth -= back
        odds: Predicted = forth @ self.out
        odds += (one @ self.linear)[:, None] - other @ self.linear
        return odds

    def save(self, path: Path) -> None:
        """Write an ``.npz`` file; OutputError when it cannot be written."""
        arrays: dict[str, NDArray[np.generic]] = {
            "first": self.first,
            "second": self.second,
            "bias": self.bias,
            "out": self.out,
            "linear": self.linear,
            "panel": self.panel,
            "scale": self.scale,
        }
        write_arrays(path, self.space, arrays, KIND)

    @classmethod
    def from_arrays(
        cls, space: SearchSpace, arrays: Mapping[str, NDArray[np.generic]]
    ) -> Comparator:
        """Make it of what ``save`` wrote."""
        names = "first", "second", "bias", "out", "linear", "panel"
        first, second, bias, out, linear, panel = (arrays[n].astype(np.float32) for n in names)
        scale = arrays["scale"].astype(np.float64)
        return cls(space, first, second, bias, out, linear, panel, scale)
