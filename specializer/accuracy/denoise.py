"""Accuracies with less noise than counting right answers leaves in them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def denoised(top1: Floats, log_likelihood: Floats, images: int) -> Floats:
    """Estimate accuracies from how probable the right answers were, too.

    Of a thousand photos a network gets some thirty right or wrong by a hair, so its top-1 is off by
    nearly a point. The log-likelihood of the same answers moves by little when those few tip over,
    and over the networks of one supernet, top-1 follows it along a line. So each accuracy is moved
    towards that line: all the way where networks lie no further off it than chance would have them,
    and less the more they do, as empirical Bayes would have it (Efron and Morris, Stein's
    estimation rule and its competitors, JASA 68, 1973).

    Args:
        top1: as fractions: (n,).
        log_likelihood: mean natural logarithm of the right class's probability: (n,).
        images: that each network was judged on.

    Returns:
        Accuracies as fractions, with the same mean as ``top1``: (n,).
    """
    centred = log_likelihood - log_likelihood.mean()
    spread = float(np.square(centred).sum())
    if len(top1) < 3 or spread == 0:
        return top1
    slope = float((centred * top1).sum()) / spread
    line = top1.mean() + slope * centred
    chance = float((top1 * (1 - top1)).mean()) / images
    apart = float(np.square(top1 - line).sum()) / (len(top1) - 2)
    share = 1.0 if apart <= chance else chance / apart
    moved: Floats = top1 + share * (line - top1)
    return moved
