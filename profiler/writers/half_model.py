"""A TFLite file with weights in half precision, as TensorFlow's converter writes it.

Every weight is stored as float16 and goes through a DEQUANTIZE of its own; activations are float32.
What runs then is the runtime's choice. XNNPACK unpacks the weights when the model is loaded and
runs its float32 kernels, unless the file says that half precision will do *and* the processor
computes in it (ARM v8.2 and later): then it converts at both ends and runs float16 kernels in
between. These files say so. Activations of float16 in the file itself are what nobody's converter
writes, so they would be a latency that nobody meets.

Source: TensorFlow Lite's XNNPACK delegate, README, "Floating-Point (IEEE FP16) Operators".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .flat_model import Affine, FlatModel

_SUPPORT = ("reduced_precision_support", b"fp16accfp16")


class HalfModel(FlatModel):
    """Stores floating-point constants as float16."""

    def __init__(self, description: str) -> None:
        super().__init__(description)
        self._unpacked: dict[int, int] = {}
        self.note(*_SUPPORT)

    def constant(self, name: str, values: NDArray[np.generic], affine: Affine | None = None) -> int:
        """Add a stored tensor; one of floating point is followed by what unpacks it."""
        if values.dtype != np.float32:
            return super().constant(name, values, affine)
        stored = super().constant(f"{name}/half", values.astype(np.float16), affine)
        if stored not in self._unpacked:
            unpacked = self.activation(name, values.shape)
            self._unpacked[stored] = self.operator("DEQUANTIZE", [stored], unpacked)
        return self._unpacked[stored]
