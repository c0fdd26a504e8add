"""A TFLite file of integers throughout, as full-integer quantisation writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from .flat_model import Affine, FlatModel
from .quantisation import Quantisation, store_weights
from .ranges import Range


class Int8Model(FlatModel):
    """Stores activations and weights as int8, biases as int32.

    Source: LiteRT 8-bit quantization specification.

    Args:
        description: of the file.
        ranges: of every activation by its name.
    """

    def __init__(self, description: str, ranges: Mapping[str, Range]) -> None:
        super().__init__(description)
        self._ranges = ranges
        self._stored: dict[int, Quantisation] = {}

    def activation(self, name: str, shape: Sequence[int]) -> int:
        """Add a tensor that is computed at run time (batch included in ``shape``)."""
        stored = Quantisation.covering(self._ranges[name])
        tensor = self._tensor(name, shape, "int8", Affine((stored.scale,), (stored.zero_point,)))
        self._stored[tensor] = stored
        return tensor

    def alike(self, one: str, other: str) -> bool:
        """Tell whether two activations have the same steps."""
        return self._ranges[one] == self._ranges[other]

    def parameters(
        self,
        names: tuple[str, str],
        weight: NDArray[np.float32],
        bias: NDArray[np.float32],
        axis: int,
        read: int,
    ) -> list[int]:
        """Store the weights and biases of a kernel; see ``FlatModel.parameters``."""
        stored = store_weights(weight, bias, axis, self._stored[read])
        zeros = (0,) * len(bias)
        return [
            self.constant(
                names[0], stored.weight, Affine(_each(stored.weight_scales), zeros, axis)
            ),
            self.constant(names[1], stored.bias, Affine(_each(stored.bias_scales), zeros)),
        ]

    def factor(self, name: str, value: float) -> int:
        """Store one number by which activations are multiplied."""
        stored = np.array([127], np.int8)
        return self.constant(name, stored, Affine((value / 127,), (0,)))


def _each(scales: NDArray[np.float32]) -> tuple[float, ...]:
    return tuple(map(float, scales))
