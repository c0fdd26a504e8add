"""Kriging: a smooth curve through a few noisy points, with how far to trust it at every place.

The points are a constant, plus a multiple of a given trend, plus a Gaussian process (a smooth
curve), plus independent noise. How smooth the curve is and how strongly it bends is not known, and
a dozen points do not tell: so every combination on a grid gives its prediction, weighted by how
likely it makes the points.

Source: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), sections 2.2 (the
prediction), 2.7 (the constant) and 5.2 (likelihoods of what is not known); the variance of the
noise has an inverse-gamma prior and is integrated out, as in Gelman et al., Bayesian Data
Analysis, 3rd edition, section 14.8, which makes predictions Student's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

_LENGTHS = (0.7, 1.0, 1.5, 2.5, 4.0)
"""Over which distances the curve bends, in units of the places."""

_BENDS = (0.1, 1.0, 10.0, 100.0, 1000.0)
"""Variance of the curve over that of the noise."""

_TREND = 0.3
"""Variance of the multiple of the trend over that of the curve."""

_CONSTANT = 1e4
"""Variance of the constant over that of the noise: large, for nothing is known of it."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class NoisePrior:
    """What is assumed of the noise before any point was seen.

    Attributes:
        deviation: its standard deviation.
        weight: how many points that counts as.
    """

    deviation: float
    weight: int


@dataclass(frozen=True, eq=False)
class Kriging:
    """Points, and what they say of other places.

    Attributes:
        places: (points,).
        values: (points,).
        trend: of (places,) places, by whose multiple values may differ.
        prior: of the noise.
    """

    places: Floats
    values: Floats
    trend: Callable[[Floats], Floats]
    prior: NoisePrior

    @property
    def degrees(self) -> int:
        """Degrees of freedom of the Student's distribution that a new value has."""
        return len(self.places) - 1 + self.prior.weight

    def predict(self, places: Floats) -> tuple[Floats, Floats]:
        """Predict new values, noise included: their middles and scales, (places,) each."""
        found = list(self._by_each(places))
        likelihoods = np.array([likelihood for likelihood, _, _ in found])
        weights = np.exp(likelihoods - likelihoods.max())
        weights /= weights.sum()
        middles = np.array([middle for _, middle, _ in found])
        variances = np.array([variance for _, _, variance in found])
        middle = weights @ middles
        return middle, np.sqrt(weights @ (variances + (middles - middle) ** 2))

    def _by_each(self, places: Floats) -> Iterator[tuple[float, Floats, Floats]]:
        """Yield the log likelihood of each combination, its middles and its variances."""
        level = float(self.values.mean())
        values, prior = self.values - level, self.prior
        known, wanted = self.trend(self.places), self.trend(places)
        trends = _TREND * np.outer(known, known), _TREND * np.outer(wanted, known)
        apart = np.subtract.outer(self.places, self.places)
        away = np.subtract.outer(places, self.places)
        for length, bend in product(_LENGTHS, _BENDS):
            shared = bend * (np.exp(-0.5 * (apart / length) ** 2) + trends[0]) + _CONSTANT
            towards = bend * (np.exp(-0.5 * (away / length) ** 2) + trends[1]) + _CONSTANT
            own = bend * (1 + _TREND * wanted**2) + _CONSTANT + 1
            covariance = shared + np.eye(len(values))
            inverse = np.linalg.inv(covariance)
            squares = float(values @ inverse @ values) + prior.weight * prior.deviation**2
            explained = np.einsum("ij,jk,ik->i", towards, inverse, towards)
            yield (
                -0.5 * (np.linalg.slogdet(covariance)[1] + self.degrees * np.log(squares)),
                level + towards @ (inverse @ values),
                squares / self.degrees * np.maximum(own - explained, 1.0),  # 1 is the noise
            )
