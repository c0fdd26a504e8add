"""What the inputs of a model are filled with: values that every model can take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

TENSOR_DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    **{
        f"tensor({name})": name
        for name in (
            *("bool", "float16", "int8", "int16", "int32", "int64"),
            *("uint8", "uint16", "uint32", "uint64"),
        )
    },
}
"""NumPy's names of types, by ONNX Runtime's, as far as NumPy has such numbers."""


def made_up(
    name: str, shape: Sequence[object], dtype: DTypeLike | None, rng: np.random.Generator
) -> NDArray[Any]:
    """Make up the values of one input, the same ones for the same generator.

    Floating point is normal, 8 and 16 bits are anything (they are quantised activations), and
    truth values are either. Wider integers are 0: they are indices, lengths and axes, and 0 is one
    of them wherever there are any.

    Args:
        name: of the input, for complaints.
        shape: of the input; a size that is no count is not known.
        dtype: of the input; None where NumPy has no such numbers.
        rng: where the values come from.

    Raises:
        ValueError: the shape is not known, or the type is none that can be made up, such as text.
    """
    if dtype is None or (kind := np.dtype(dtype)).kind not in "biufc":
        raise ValueError(f"the input {name} holds something else than numbers")
    sizes = [int(size) for size in shape if isinstance(size, (int, np.integer)) and size >= 0]
    if len(sizes) < len(shape):
        raise ValueError(f"the input {name} has no fixed shape: {list(shape)}")
    if kind.kind in "fc":
        return rng.standard_normal(sizes, np.float32).astype(kind)
    if kind.kind == "b":
        return rng.integers(0, 2, sizes).astype(kind)
    if kind.itemsize <= 2:
        bounds = np.iinfo(kind)
        return rng.integers(bounds.min, bounds.max, sizes, kind, endpoint=True)
    return np.zeros(sizes, kind)
