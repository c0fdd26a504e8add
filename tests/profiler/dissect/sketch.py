"""TFLite models beyond what our writer writes: other types, quantisation, odd graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from sartor.profiler.writers.flat_model import FlatModel


class Sketch(FlatModel):
    """A TFLite model whose tensors may be of any type."""

    def __init__(self) -> None:
        super().__init__("a sketch")

    def flow(
        self, name: str, shape: Sequence[int], dtype: str = "float32", scale: float | None = None
    ) -> int:
        """Add a tensor that is computed or put in; with a scale it is quantised."""
        number = self.activation(name, shape)
        self._tensors[number].type = getattr(schema.TensorType, dtype.upper())
        self._quantise(number, scale)
        return number

    def stored(self, name: str, values: NDArray[Any], scale: float | None = None) -> int:
        """Add a tensor that is stored in the file; with a scale it is quantised."""
        number = self.flow(name, values.shape, values.dtype.name, scale)
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self._buffers.append(buffer)
        self._tensors[number].buffer = len(self._buffers) - 1
        return number

    def convolution(self, source: int, result: int, *, padding: int = 0, **fields: int) -> int:
        """Add a 3×3 convolution with 4 channels in and out."""
        rng = np.random.default_rng(len(self._operators))
        weights = rng.standard_normal((4, 3, 3, 4), np.float32)
        bias = rng.standard_normal(4, np.float32)
        inputs = [source, self.stored("weights", weights), self.stored("bias", bias)]
        usual = {"padding": padding, "strideH": 1, "strideW": 1}
        return self.operator("CONV_2D", inputs, result, "Conv2DOptions", **usual | fields)

    def open_sizes(self, tensor: int, signature: Sequence[int]) -> None:
        """Leave sizes of a tensor open: −1 for any."""
        self._tensors[tensor].shapeSignature = np.array(signature, np.int32)

    def custom(self, code: str, inputs: Sequence[int], result: int) -> int:
        """Add an operator that only some runtimes know."""
        self.operator("CUSTOM", inputs, result)
        self._custom_code = code
        return result

    def pack(self, inputs: Any, outputs: Any) -> bytes:  # noqa: ANN401 (as in FlatModel)
        content = super().pack(inputs, outputs)
        code = getattr(self, "_custom_code", None)
        if code is None:
            return content
        from sartor.profiler.writers.flat_model import packed

        model = schema.ModelT.InitFromPackedBuf(content, 0)
        for one in model.operatorCodes:
            if one.builtinCode == schema.BuiltinOperator.CUSTOM:
                one.customCode = code.encode()
        return packed(model)

    def _quantise(self, number: int, scale: float | None) -> None:
        if scale is not None:
            quantisation = schema.QuantizationParametersT()
            quantisation.scale = np.array([scale], np.float32)
            quantisation.zeroPoint = np.array([0], np.int64)
            self._tensors[number].quantization = quantisation
