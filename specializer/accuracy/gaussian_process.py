"""A Gaussian process over architectures: the sum of what parts are worth, and a smooth remainder.

What a choice is worth is the sum of what it is worth in its slot, what its traits (its kernel, its
expansion) are worth in its slot, in its stage and anywhere, and what a block is worth there. How
much each of these varies is found by likelihood, so few networks already teach what is common to
many. A smooth function of counts by stage tells what a sum cannot, such as that blocks are worth
less the more there are. What the process does not know shows as a deviation.

Source: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), sections 2.2 (the
prediction), 2.7 (the level) and 4.2.4 (sums of kernels); Duvenaud et al., Additive Gaussian
processes, NeurIPS 2011.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...tables.errors import CheckpointError, FormatError
from ..space import Population, SearchSpace
from .container import check_finite, write_arrays
from .denoise import Floats
from .features import one_hot
from .kernel import LEVEL, SMOOTH, Counts, Kernel, squared_distances
from .pooling import COMPONENTS
from .predictor import Predicted

KIND = "gaussian process"

_COMPONENTS = "; ".join(COMPONENTS)
_CHUNK = 2048
"""Networks predicted at once, so that memory does not grow with their number."""


@dataclass(frozen=True, eq=False)
class GaussianProcess:
    """Networks, their accuracies, and what these say of other networks.

    Attributes:
        space: of the networks.
        population: that was learnt from: (n, 1 + slots).
        accuracies: as fractions: (n,).
        kernel: how much networks have to do with each other.

    Raises:
        CheckpointError: the parts do not fit each other, or are not finite.
    """

    space: SearchSpace
    population: Population
    accuracies: Floats
    kernel: Kernel

    def __post_init__(self) -> None:
        kernel = self.kernel
        numbers = np.array([*kernel.additive, kernel.smooth, *kernel.bends, kernel.noise])
        check_finite(self.space, self.accuracies, numbers)
        shapes = self.population.shape, self.accuracies.shape, kernel.additive.shape
        count = len(self.accuracies)
        wanted = (count, 1 + len(self.space.slots)), (count,), (len(COMPONENTS),)
        if not count or shapes != wanted or kernel.bends.shape != (len(SMOOTH),):
            raise CheckpointError(
                f"a Gaussian process for {self.space.name} is made of networks, as many accuracies "
                f"and one variance for each component, unlike these shapes: {shapes}"
            )
        if numbers.min() < 0 or kernel.noise == 0:
            raise CheckpointError(f"variances for {self.space.name} are not all positive")
        try:
            for network in self.population.tolist():
                self.space.check(network)
        except FormatError as error:
            raise CheckpointError(f"a Gaussian process learnt of a strange network: {error}") from (
                error
            )

    @cached_property
    def _counts(self) -> Counts:
        return Counts.of(self.space, self.population)

    @cached_property
    def _known(self) -> tuple[Floats, Floats]:
        """The networks that were learnt from, as the additive and the smooth part see them."""
        return self._seen(self.population)

    @cached_property
    def _units(self) -> tuple[float, float]:
        """Mean and standard deviation of the accuracies."""
        return float(self.accuracies.mean()), float(self.accuracies.std()) or 1.0

    @property
    def noise(self) -> float:
        """Standard deviation of what is measured around what is true, as a fraction."""
        return self._units[1] * float(np.sqrt(self.kernel.noise))

    @cached_property
    def _triangle(self) -> Floats:
        """The lower Cholesky factor's inverse of the accuracies' covariance."""
        covariance = self._covariance(*self._known)
        covariance[np.diag_indices_from(covariance)] += self.kernel.noise
        try:
            return np.linalg.inv(np.linalg.cholesky(covariance))
        except np.linalg.LinAlgError as error:
            raise CheckpointError(
                f"the accuracy predictor for {self.space.name} has impossible variances"
            ) from error

    @cached_property
    def _pull(self) -> Floats:
        """By how much each known network pulls at those that are like it: (n,)."""
        mean, deviation = self._units
        pulled: Floats = self._triangle.T @ (
            self._triangle @ ((self.accuracies - mean) / deviation)
        )
        return pulled

    @cached_property
    def _folded(self) -> tuple[Predicted, float, Predicted, Predicted, Predicted]:
        """What predictions take, as few operations as there can be.

        The additive part is linear, so it folds into one weight for each feature and a level; the
        smooth one is left with its matrix, the known networks as it sees them, and their pull.
        """
        counts, kernel, (additive, smooth) = self._counts, self.kernel, self._known
        matrix, middle = self._linear
        weights = matrix @ (additive.T @ self._pull)
        level = LEVEL * self._pull.sum() - middle @ (additive.T @ self._pull)
        bends = [counts.matrix(c) * np.sqrt(b) for c, b in zip(SMOOTH, kernel.bends, strict=True)]
        centres = [
            counts.centres[c] / counts.scales[c] * np.sqrt(b)
            for c, b in zip(SMOOTH, kernel.bends, strict=True)
        ]
        return (
            weights.astype(np.float32),
            float(level),
            np.concatenate(bends, axis=1).astype(np.float32),
            (smooth + np.concatenate(centres)).astype(np.float32),
            (kernel.smooth * self._pull).astype(np.float32),
        )

    @cached_property
    def _linear(self) -> tuple[Floats, Floats]:
        """The additive part's matrix, from features, and the middle of what it leads to."""
        counts, roots = self._counts, np.sqrt(self.kernel.additive)
        indices = range(len(COMPONENTS))
        matrix = np.concatenate([counts.matrix(c) * roots[c] for c in indices], axis=1)
        middle = [counts.centres[c] / counts.scales[c] * roots[c] for c in indices]
        return matrix, np.concatenate(middle)

    def predict(self, population: Population) -> Predicted:
        """Return each network's top-1 accuracy as a fraction: (n,)."""
        mean, deviation = self._units
        weights, level, matrix, known, pull = self._folded
        known_squares = np.square(known).sum(axis=1)
        found = np.empty(len(population), np.float32)
        for start in range(0, len(population), _CHUNK):
            features = one_hot(self.space, population[start : start + _CHUNK])
            places = features @ matrix
            near = places @ (2 * known.T)
            near -= np.square(places).sum(axis=1)[:, None]
            near -= known_squares
            np.minimum(near, 0, out=near)
            np.exp(near, out=near)
            found[start : start + _CHUNK] = features @ weights + near @ pull
        found += np.float32(level)
        found *= np.float32(deviation)
        found += np.float32(mean)
        return found

    def predict_with_deviation(self, population: Population) -> tuple[Predicted, Predicted]:
        """Return each network's accuracy, and how far that which is measured may lie off it.

        Returns:
            Accuracies and standard deviations, both as fractions: (n,), (n,).
        """
        deviations = np.empty(len(population), np.float32)
        _, unit = self._units
        for start in range(0, len(population), _CHUNK):
            additive, smooth = self._seen(population[start : start + _CHUNK])
            towards = self._covariance(additive, smooth, self._known)
            explained = np.square(self._triangle @ towards.T).sum(axis=0)
            own = np.square(additive).sum(axis=1) + self.kernel.smooth + LEVEL
            left = np.maximum(own - explained, 0) + self.kernel.noise
            deviations[start : start + _CHUNK] = unit * np.sqrt(left)
        return self.predict(population), deviations

    def _seen(self, population: Population) -> tuple[Floats, Floats]:
        """Return networks as the additive part sees them, and as the smooth part does."""
        found, kernel = self._counts(population), self.kernel
        additive = [
            count * root for count, root in zip(found, np.sqrt(kernel.additive), strict=True)
        ]
        smooth = [found[c] * np.sqrt(b) for c, b in zip(SMOOTH, kernel.bends, strict=True)]
        return np.concatenate(additive, axis=1), np.concatenate(smooth, axis=1)

    def _covariance(
        self, additive: Floats, smooth: Floats, known: tuple[Floats, Floats] | None = None
    ) -> Floats:
        """Return the covariance of some networks with others, or with each other."""
        others = known or (additive, smooth)
        near = np.exp(-squared_distances(smooth, others[1]))
        covariance: Floats = LEVEL + additive @ others[0].T + self.kernel.smooth * near
        return covariance

    def save(self, path: Path) -> None:
        """Write an ``.npz`` file; OutputError when it cannot be written."""
        kernel = self.kernel
        arrays: dict[str, NDArray[np.generic]] = {
            "components": np.array(_COMPONENTS),
            "population": self.population,
            "accuracies": self.accuracies,
            "additive": kernel.additive,
            "smooth": np.array([kernel.smooth, *kernel.bends]),
            "noise": np.array(kernel.noise),
        }
        write_arrays(path, self.space, arrays, KIND)

    @classmethod
    def from_arrays(
        cls, space: SearchSpace, arrays: Mapping[str, NDArray[np.generic]]
    ) -> GaussianProcess:
        """Make it of what ``save`` wrote."""
        if (components := str(arrays["components"])) != _COMPONENTS:
            raise CheckpointError(
                f"a Gaussian process of another Sartor knows networks by {components}; fit it again"
            )
        smooth, *bends = arrays["smooth"].astype(np.float64).tolist()
        kernel = Kernel(
            arrays["additive"].astype(np.float64), smooth, np.array(bends), float(arrays["noise"])
        )
        return cls(
            space,
            arrays["population"].astype(np.int16),
            arrays["accuracies"].astype(np.float64),
            kernel,
        )
