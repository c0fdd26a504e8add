"""An ensemble of small perceptrons, whose disagreement tells how far to trust them.

Source: Lakshminarayanan et al., Simple and scalable predictive uncertainty estimation using deep
ensembles, NeurIPS 2017; members see different bootstrap samples, as in Breiman, Bagging
predictors, Machine Learning 24, 1996, so that what a member did not see tells how far off it is.
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
from .features import feature_starts, one_hot
from .predictor import Predicted

KIND = "perceptron ensemble"

_CHUNK = 1024
"""Networks predicted at once, so that memory does not grow with their number."""


@dataclass(frozen=True, slots=True, eq=False)
class Ensemble:
    """Perceptrons with one hidden layer of ReLU beside a linear path, over one-hot features.

    Attributes:
        space: whose networks it knows.
        hidden: weights of the hidden layers: (members, features, units).
        hidden_bias: (members, units).
        out: weights of what the hidden units add to the answer: (members, units).
        linear: weights of the linear path: (members, features).
        bias: of the answers: (members,).
        mean: of the accuracies that it was fitted to; members tell standardised ones.
        deviation: standard deviation of the same.
        noise: standard deviation, as a fraction, of what members cannot know.

    Raises:
        CheckpointError: the arrays do not fit the space or each other, or are not finite.
    """

    space: SearchSpace
    hidden: Predicted
    hidden_bias: Predicted
    out: Predicted
    linear: Predicted
    bias: Predicted
    mean: float
    deviation: float
    noise: float

    def __post_init__(self) -> None:
        features = int(feature_starts(self.space)[-1])
        arrays = self.hidden, self.hidden_bias, self.out, self.linear, self.bias
        shapes = tuple(array.shape for array in arrays)
        members, units = self.out.shape if self.out.ndim == 2 else (0, 0)
        wanted = (members, features, units), (members, units), (members, units)
        if not members or shapes != (*wanted, (members, features), (members,)):
            raise CheckpointError(
                f"an ensemble for {self.space.name} leads from {features} features to one number "
                f"for each member, unlike these weights and biases: {shapes}"
            )
        check_finite(self.space, *arrays, self.mean, self.deviation, self.noise)

    def predict(self, population: Population) -> Predicted:
        """Return each network's top-1 accuracy as a fraction: (n,)."""
        mean: Predicted = self._answers(population).mean(axis=0)
        return mean

    def predict_with_deviation(self, population: Population) -> tuple[Predicted, Predicted]:
        """Return each network's accuracy, and how far that which is measured may lie off it.

        Returns:
            Accuracies and standard deviations, both as fractions: (n,), (n,).
        """
        answers = self._answers(population)
        deviations: Predicted = np.hypot(answers.std(axis=0), np.float32(self.noise))
        return answers.mean(axis=0), deviations

    def _answers(self, population: Population) -> Predicted:
        """Return each member's accuracies as fractions: (members, n)."""
        answers = np.empty((len(self.bias), len(population)), np.float32)
        for start in range(0, len(population), _CHUNK):
            features = one_hot(self.space, population[start : start + _CHUNK])
            hidden = features @ self.hidden
            hidden += self.hidden_bias[:, None]
            np.maximum(hidden, 0, out=hidden)
            told = (hidden @ self.out[:, :, None])[..., 0]
            told += self.linear @ features.T
            answers[:, start : start + _CHUNK] = told
        answers += self.bias[:, None]
        answers *= np.float32(self.deviation)
        answers += np.float32(self.mean)
        return answers

    def save(self, path: Path) -> None:
        """Write an ``.npz`` file; OutputError when it cannot be written."""
        arrays: dict[str, NDArray[np.generic]] = {
            "hidden": self.hidden,
            "hidden_bias": self.hidden_bias,
            "out": self.out,
            "linear": self.linear,
            "bias": self.bias,
            "target": np.array([self.mean, self.deviation, self.noise]),
        }
        write_arrays(path, self.space, arrays, KIND)

    @classmethod
    def from_arrays(cls, space: SearchSpace, arrays: Mapping[str, NDArray[np.generic]]) -> Ensemble:
        """Make it of what ``save`` wrote."""
        names = "hidden", "hidden_bias", "out", "linear", "bias"
        hidden, hidden_bias, out, linear, bias = (arrays[name].astype(np.float32) for name in names)
        mean, deviation, noise = map(float, arrays["target"])
        return cls(space, hidden, hidden_bias, out, linear, bias, mean, deviation, noise)
