"""Accuracy of a sub-network without running it: a small network over its choices, in NumPy."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...tables.atomic import write_atomically
from ...tables.errors import CheckpointError
from ..space import Population, SearchSpace
from .features import feature_starts, one_hot

_UNREADABLE = (
    *(OSError, EOFError, zipfile.BadZipFile, zlib.error),  # no whole zip file
    *(LookupError, ValueError, TypeError, AttributeError, RuntimeError),  # one of something else
)


class AccuracyPredictor(Protocol):
    """Whatever tells the accuracy of sub-networks at once."""

    def predict(self, population: Population) -> NDArray[np.float32]:
        """Return each network's top-1 accuracy as a fraction: (n,)."""
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

    One layer and no hidden one is a linear model, as ``fit_ridge`` makes it. Nothing keeps an
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
        arrays = [array.ravel() for layer in self.layers for array in (layer.weight, layer.bias)]
        if not np.isfinite(np.concatenate([*arrays, [self.mean, self.deviation]])).all():
            raise CheckpointError(
                f"the accuracy predictor for {self.space.name} holds numbers that are not finite"
            )

    def predict(self, population: Population) -> NDArray[np.float32]:
        """Return each network's top-1 accuracy as a fraction: (n,)."""
        hidden = one_hot(self.space, population)
        for layer in self.layers[:-1]:
            hidden = hidden @ layer.weight
            hidden += layer.bias
            np.maximum(hidden, 0, out=hidden)
        last = self.layers[-1]
        accuracies: NDArray[np.float32] = (hidden @ last.weight + last.bias)[:, 0]
        accuracies *= np.float32(self.deviation)
        accuracies += np.float32(self.mean)
        return accuracies

    def save(self, path: Path) -> None:
        """Write an ``.npz`` file that ``load`` reads; OutputError when it cannot be written."""
        arrays: dict[str, NDArray[np.generic]] = {
            "space": np.array(_description(self.space)),
            "target": np.array([self.mean, self.deviation]),
        }
        for index, layer in enumerate(self.layers):
            arrays |= {f"weight{index}": layer.weight, f"bias{index}": layer.bias}
        file = io.BytesIO()
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type] # none is allow_pickle
        write_atomically(path, file.getvalue())

    @classmethod
    def load(cls, path: Path, space: SearchSpace) -> MlpPredictor:
        """Read what ``save`` wrote for the same space.

        Raises:
            CheckpointError: the file cannot be read, is no predictor, or is for another space.
        """
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
                arrays = dict(file)
            described = str(arrays["space"])
            mean, deviation = map(float, arrays["target"])
            layers = tuple(
                Layer(*(arrays[f"{name}{index}"].astype(np.float32) for name in ("weight", "bias")))
                for index in range(len(arrays) // 2 - 1)
            )
        except _UNREADABLE as error:
            raise CheckpointError(
                f"{path} is no readable accuracy predictor ({error}); fetch or fit it again"
            ) from error
        if described != _description(space):
            raise CheckpointError(f"{path} predicts for another search space than {space.name}")
        return cls(space, layers, mean, deviation)


def _description(space: SearchSpace) -> str:
    described = asdict(space)
    if not space.axes:  # spaces had none when the first predictors were written
        del described["axes"]
    return json.dumps(described)
