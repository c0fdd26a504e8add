"""Numbers in eight bits: scales and zero points, as both formats define them.

``real = scale * (stored - zero_point)``. Activations are stored asymmetrically, one scale a tensor;
weights symmetrically, one scale an output channel; biases in 32 bits with the product of the two.

Source: Jacob et al., Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference, CVPR 2018, section 2; LiteRT 8-bit quantization specification.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .ranges import Range

_LOWEST, _HIGHEST = -128, 127


@dataclass(frozen=True, slots=True)
class Quantisation:
    """How a tensor of activations is stored in int8.

    Attributes:
        scale: of one step.
        zero_point: the stored value that means 0.
    """

    scale: float
    zero_point: int

    @classmethod
    def covering(cls, values: Range) -> Quantisation:
        """Represent a range that holds 0, in 255 steps."""
        low, high = values
        scale = float(np.float32((high - low) / (_HIGHEST - _LOWEST)))
        return cls(scale, int(np.clip(round(_LOWEST - low / scale), _LOWEST, _HIGHEST)))


@dataclass(frozen=True, slots=True)
class StoredWeights:
    """Weights and biases of a kernel, as integers.

    Attributes:
        weight: int8, in the layout that was given.
        weight_scales: (out,), float32.
        bias: int32, (out,).
        bias_scales: (out,), float32.
    """

    weight: NDArray[np.int8]
    weight_scales: NDArray[np.float32]
    bias: NDArray[np.int32]
    bias_scales: NDArray[np.float32]


def store_weights(
    weight: NDArray[np.float32], bias: NDArray[np.float32], axis: int, read: Quantisation
) -> StoredWeights:
    """Quantise weights and biases.

    Args:
        weight: in any layout.
        bias: (out,).
        axis: of the output channels in ``weight``.
        read: how the activations are stored that the kernel reads.
    """
    others = tuple(other for other in range(weight.ndim) if other != axis)
    largest = np.abs(weight).max(axis=others, keepdims=True)
    scales = np.where(largest > 0, largest / np.float32(_HIGHEST), np.float32(1))
    scales = scales.astype(np.float32)
    stored = np.clip(np.round(weight / scales), -_HIGHEST, _HIGHEST).astype(np.int8)
    bias_scales = (scales.reshape(-1) * np.float32(read.scale)).astype(np.float32)
    limits = np.iinfo(np.int32)
    steps = np.clip(np.round(bias.astype(float) / bias_scales), limits.min, limits.max)
    return StoredWeights(stored, scales.reshape(-1), steps.astype(np.int32), bias_scales)
