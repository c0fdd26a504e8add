"""Parameters of TFLite operators that the model computes while it runs, such as shapes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from .tflite_groups import Group
from .tflite_model import TfliteModel

_PARAMETERS: Mapping[str, tuple[int, ...]] = {
    "ARG_MAX": (1,),
    "ARG_MIN": (1,),
    "BATCH_TO_SPACE_ND": (1, 2),
    "BROADCAST_TO": (1,),
    "CONV_3D_TRANSPOSE": (0,),
    "EXPAND_DIMS": (1,),
    "FILL": (0,),
    "MEAN": (1,),
    "MIRROR_PAD": (1,),
    "ONE_HOT": (1,),
    "PAD": (1,),
    "PADV2": (1,),
    "RANGE": (0, 1, 2),
    "REDUCE_ALL": (1,),
    "REDUCE_ANY": (1,),
    "REDUCE_MAX": (1,),
    "REDUCE_MIN": (1,),
    "REDUCE_PROD": (1,),
    "RESHAPE": (1,),
    "RESIZE_BILINEAR": (1,),
    "RESIZE_NEAREST_NEIGHBOR": (1,),
    "SLICE": (1, 2),
    "SPACE_TO_BATCH_ND": (1, 2),
    "SPLIT": (0,),
    "SPLIT_V": (1, 2),
    "STRIDED_SLICE": (1, 2, 3),
    "SUM": (1,),
    "TILE": (1,),
    "TOPK_V2": (1,),
    "TRANSPOSE": (1,),
    "TRANSPOSE_CONV": (0,),
}
"""Inputs that say what is to be done rather than with what."""

_SHAPES = {"BROADCAST_TO": 1, "CONV_3D_TRANSPOSE": 0, "FILL": 0, "RESHAPE": 1, "TRANSPOSE_CONV": 0}
_SIZES = {"RESIZE_BILINEAR": 1, "RESIZE_NEAREST_NEIGHBOR": 1}
"""Parameters that the result's shape tells; of ``_SIZES``, its height and width."""


def parameters_of(
    model: TfliteModel, group: Group
) -> tuple[Mapping[int, NDArray[np.generic]], str]:
    """Find the values of the parameters that the model computes.

    Returns:
        Values by tensor, and an empty text; or a text that says which value cannot be found.
    """
    found: dict[int, NDArray[np.generic]] = {}
    for number in group.running:
        operator = model.operators[number]
        kind = model.kind(operator)
        for position in _PARAMETERS.get(kind, ()):
            read = int(operator.inputs[position]) if position < len(operator.inputs) else -1
            if read < 0 or not model.is_flow(read) or model.makers.get(read) in group.unpacking:
                continue
            result = model.shape(int(operator.outputs[0]))
            if _SHAPES.get(kind) == position:
                found[read] = np.array(result, model.dtype(read))
            elif _SIZES.get(kind) == position:
                found[read] = np.array(result[1:3], model.dtype(read))
            else:
                return {}, f"its parameter {model.name(read)} is computed while the model runs"
    return found, ""
