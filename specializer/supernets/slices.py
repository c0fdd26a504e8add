"""Weights of small layers as parts of a large one's; gradients reach what they are taken from.

Source: Cai et al., Once-for-All, ICLR 2020, section 3.3 (elastic width, elastic kernel size).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as functional
from torch import Tensor


def first_channels(weight: Tensor, *channels: int) -> Tensor:
    """Return the first channels of each leading axis; the very tensor where those are all.

    What is not sliced costs no kernels on a GPU, neither here nor for its gradient.
    """
    for axis, count in enumerate(channels):
        if count < weight.shape[axis]:
            weight = weight.narrow(axis, 0, count)
    return weight


def small_kernel(weight: Tensor, size: int, matrices: Mapping[str, Tensor]) -> Tensor:
    """Derive a small depthwise kernel from the largest one.

    Args:
        weight: (channels, 1, 7, 7).
        size: 7, 5 or 3.
        matrices: ``"7to5"`` (25, 25) and ``"5to3"`` (9, 9).

    Returns:
        (channels, 1, size, size); gradients reach the weight and the matrices on the way.
    """
    for large, small in ((7, 5), (5, 3)):
        if size < large:
            centre = weight[:, :, 1:-1, 1:-1].flatten(2)
            weight = functional.linear(centre, matrices[f"{large}to{small}"])
            weight = weight.reshape(-1, 1, small, small)
    return weight
