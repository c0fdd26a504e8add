"""Channel counts: the rounding that mobile networks share."""

from __future__ import annotations


def make_divisible(channels: float, divisor: int = 8) -> int:
    """Round a channel count to a multiple of ``divisor`` without losing over a tenth of it.

    Source: the MobileNet papers' rule, as in Once-for-All's published code.
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded
