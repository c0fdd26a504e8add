"""Student's t distribution, without the weight of scipy."""

from __future__ import annotations

import math
from statistics import NormalDist

_MANY = 200
"""Degrees of freedom from which on the expansion agrees with the sum to seven digits."""


def student_t(level: float, degrees: int) -> float:
    """Return the t that a share ``level`` of Student's distribution stays within: P(|T| <= t).

    Args:
        level: 0 < level < 1.
        degrees: of freedom, at least 1.

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4, solved
    for the angle by bisection; with many degrees of freedom 26.7.5, which does not grow with them.
    """
    if not 0 < level < 1 or degrees < 1:
        raise ValueError(f"no Student's t of level {level} and {degrees} degrees of freedom")
    if degrees > _MANY:
        return _expanded(NormalDist().inv_cdf((1 + level) / 2), degrees)
    low, high = 0.0, math.pi / 2
    while low < (middle := (low + high) / 2) < high:
        if _share_within(middle, degrees) < level:
            low = middle
        else:
            high = middle
    return math.sqrt(degrees) * math.tan(middle)


def tail(t: float, degrees: int) -> float:
    """Return how likely Student's distribution is at least as far from 0 as ``t``: P(|T| >= t)."""
    if degrees < 1:
        raise ValueError(f"no Student's distribution has {degrees} degrees of freedom")
    return max(0.0, 1 - _share_within(math.atan(abs(t) / math.sqrt(degrees)), degrees))


def _expanded(x: float, degrees: int) -> float:
    """Expand around the normal quantile ``x`` in powers of one over the degrees of freedom."""
    terms = (
        x,
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
    )
    return math.fsum(term / degrees**power for power, term in enumerate(terms))


def _share_within(angle: float, degrees: int) -> float:
    """P(|T| <= t) where angle = atan(t / sqrt(degrees)).

    Of many degrees of freedom by the normal distribution: Abramowitz and Stegun, 26.7.8.
    """
    if degrees > _MANY:
        t = math.sqrt(degrees) * math.tan(angle)
        normal = t * (1 - 1 / (4 * degrees)) / math.sqrt(1 + t**2 / (2 * degrees))
        return math.erf(normal / math.sqrt(2))
    cosine, odd = math.cos(angle), degrees % 2
    term = cosine if odd else 1.0
    total = 0.0
    for power in range(odd, degrees - 1, 2):
        total += term
        term *= cosine**2 * (power + 1) / (power + 2)
    return (angle + math.sin(angle) * total) * 2 / math.pi if odd else math.sin(angle) * total
