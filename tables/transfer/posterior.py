"""Bayesian linear regression on few measurements: mean and variance of everything else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .known import Floats

_TAILS = 4  # degrees of freedom of the noise, as is usual for data with outliers
_ROUNDS = 10  # of reweighting, by which measurements of real devices had settled


@dataclass(frozen=True, eq=False)
class Posterior:
    """What measurements say of networks, in the units of the design.

    Attributes:
        mean: (networks,).
        variance: (networks,), of a measurement of each.
        surprise: mean square of the measurements' leave-one-out errors, each over its standard
            deviation: 1 on average where the prior is right.
    """

    mean: Floats
    variance: Floats
    surprise: float


def condition(
    design: Floats, noise: float, expected: Floats, measured: tuple[Floats, Floats]
) -> Posterior:
    """Condition Gaussian weights on measurements with heavy-tailed noise.

    The noise is Student's t, for one measurement in some dozen is taken at another clock. Each
    measurement's share in the noise follows from how far it is off, and the fit from the shares.

    Args:
        design: (networks, columns), with N(0, 1) weights.
        noise: variance of one measurement that is no outlier.
        expected: (networks,), before any measurement.
        measured: (k, columns) of the design and (k,) values, less what was expected of them.

    Source: Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, section 2.1.2
    (the kernel form: k × k systems, whatever the number of columns) and equation 5.12 (leaving
    one out); Lange et al., Robust Statistical Modeling Using the t Distribution, JASA 1989 (the
    weights, by expectation and maximisation).
    """
    columns, values = measured
    signal = columns @ columns.T
    noises = np.full(len(values), noise)
    for _ in range(_ROUNDS):
        inverse = np.linalg.inv(signal + np.diag(noises))
        pulls = inverse @ values
        squares = (noises * pulls) ** 2 + noises - noises**2 * inverse.diagonal()
        noises = (_TAILS * noise + squares) / (_TAILS + 1)
    inverse = np.linalg.inv(signal + np.diag(noises))
    pulls = inverse @ values
    shared = design @ columns.T
    settled = ((shared @ inverse) * shared).sum(axis=1)
    left_out = 1 / inverse.diagonal()
    return Posterior(
        mean=expected + shared @ pulls,
        variance=np.maximum((design**2).sum(axis=1) - settled, 0.0) + noise,
        surprise=float(((pulls * left_out) ** 2 / (left_out - noises + noise)).mean()),
    )
