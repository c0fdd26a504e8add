"""Student's t distribution, without the weight of scipy."""

from __future__ import annotations

import math

_MANY = 500
"""Degrees of freedom from which on a normal distribution is close enough: to 1e-6."""


def student_t(level: float, degrees: int) -> float:
    """Return the t that a share ``level`` of Student's distribution stays within: P(|T| <= t).

    Args:
        level: 0 < level < 1.
        degrees: of freedom, at least 1.

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4, solved
    for the angle by bisection.
    """
    if not 0 < level < 1 or degrees < 1:
        raise ValueError(f"no Student's t of level {level} and {degrees} degrees of freedom")
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
