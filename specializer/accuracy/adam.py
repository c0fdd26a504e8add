"""Adam, for models that are small enough for NumPy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_MEAN, _SQUARE = 0.9, 0.99
_TINY = 1e-8


class Adam:
    """Steps against gradients, each parameter at its own pace.

    Args:
        rate: by which a parameter moves in a step, at most roughly.

    Source: Kingma and Ba, Adam: a method for stochastic optimization, ICLR 2015, algorithm 1.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._steps = 0
        self._means: list[NDArray[np.floating]] = []
        self._squares: list[NDArray[np.floating]] = []

    def step(
        self, parameters: Sequence[NDArray[np.floating]], gradients: Sequence[NDArray[np.floating]]
    ) -> list[NDArray[np.floating]]:
        """Return the parameters one step further; new arrays."""
        if not self._steps:
            self._means = [np.zeros_like(gradient) for gradient in gradients]
            self._squares = [np.zeros_like(gradient) for gradient in gradients]
        self._steps += 1
        moved = []
        for index, (parameter, gradient) in enumerate(zip(parameters, gradients, strict=True)):
            mean, square = self._means[index], self._squares[index]
            mean += (1 - _MEAN) * (gradient - mean)
            square += (1 - _SQUARE) * (np.square(gradient) - square)
            pace = np.sqrt(square / (1 - _SQUARE**self._steps)) + _TINY
            moved.append(parameter - self.rate / (1 - _MEAN**self._steps) * mean / pace)
        return moved
