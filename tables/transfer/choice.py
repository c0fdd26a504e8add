"""Which networks to measure on a new device, decided before any is."""

from __future__ import annotations

import numpy as np

from ..errors import MeasurementError
from .known import Floats


def choose(candidates: Floats, targets: Floats, noise: float, count: int) -> tuple[int, ...]:
    """Choose what to measure so that all targets are predicted as surely as possible.

    One after another, the candidate is taken that lowers the sum of the targets' posterior
    variances most. What will be measured does not matter, only where: under a Gaussian prior the
    variance does not depend on the values.

    Args:
        candidates: (networks, columns), a design with N(0, 1) weights.
        targets: (networks, columns), what is to be predicted.
        noise: variance of one measurement.
        count: how many to choose.

    Returns:
        Indices of candidates, the most telling first; a shorter choice is the start of a longer.

    Raises:
        MeasurementError: more are wanted than there are, or fewer than one.

    Source: Seo et al., Gaussian Process Regression: Active Data Selection and Test Point
    Rejection, IJCNN 2000, section 3 (the criterion of Cohn); the covariances are brought up to
    date as in a pivoted Cholesky decomposition.
    """
    if not 1 <= count <= len(candidates):
        raise MeasurementError(
            f"cannot choose {count} of {len(candidates)} networks; ask for 1 to {len(candidates)}"
        )
    shared = candidates @ targets.T
    variances = (candidates**2).sum(axis=1)
    chosen: list[int] = []
    known = np.zeros((0, len(candidates)))  # directions that the choice so far has settled
    for _ in range(count):
        gains = (shared**2).sum(axis=1) / (variances + noise)
        gains[chosen] = -np.inf
        best = int(np.argmax(gains))
        scale = np.sqrt(variances[best] + noise)
        direction = (candidates @ candidates[best] - known[:, best] @ known) / scale
        shared = shared - np.outer(direction, shared[best] / scale)
        variances = variances - direction**2
        known = np.vstack([known, direction])
        chosen.append(best)
    return tuple(chosen)
