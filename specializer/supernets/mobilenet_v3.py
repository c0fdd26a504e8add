"""Once-for-All MobileNetV3 as data; widths 1.0 and 1.2 were published.

Source: Cai et al., Once-for-All, ICLR 2020, section 4.1; Howard et al., Searching for MobileNetV3,
ICCV 2019.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .mbconv_supernet import (
    CHOICES,
    EXPANSIONS,
    KERNELS,
    MbconvSupernet,
    Plan,
    Pointwise,
    Stage,
    Widths,
)
from .mbconv_supernet import widths as _widths

__all__ = [
    "ACTIVATIONS",
    "BATCH_NORM_EPS",
    "CHOICES",
    "EXPANSIONS",
    "KERNELS",
    "MAX_DEPTH",
    "MIN_DEPTH",
    "SQUEEZE_EXCITE",
    "STRIDES",
    "MobileNetV3",
    "widths",
]

MIN_DEPTH, MAX_DEPTH = 2, 4
STRIDES = (2, 2, 2, 1, 2)
BATCH_NORM_EPS = 1e-5

_WIDTHS = (24, 40, 80, 112, 160)
ACTIVATIONS = ("relu", "relu", "hswish", "hswish", "hswish")
SQUEEZE_EXCITE = (False, True, False, True, True)


@dataclass(frozen=True, slots=True)
class MobileNetV3(MbconvSupernet):
    """One Once-for-All MobileNetV3 supernet, as a value.

    Attributes:
        width: multiplier of every channel count.
        classes: of the classifier.
        resolutions: input sizes in pixels, ascending.
    """

    family: ClassVar[str] = "mobilenet_v3"
    batch_norm_eps: ClassVar[float] = BATCH_NORM_EPS
    plan: ClassVar[Plan] = Plan(
        space="ofa-mbv3",
        stem=16,
        stem_activation="hswish",
        first=16,
        first_activation="relu",
        first_skip=True,
        stages=tuple(
            Stage(*stage, (MIN_DEPTH, MAX_DEPTH))
            for stage in zip(_WIDTHS, STRIDES, ACTIVATIONS, SQUEEZE_EXCITE, strict=True)
        ),
        before_pool=Pointwise("head.expand", "final_expand_layer", 960, "hswish"),
        behind_pool=Pointwise(
            "head.feature", "feature_mix_layer", 1280, "hswish", normalised=False
        ),
    )


def widths(multiplier: float) -> Widths:
    """Channel counts of the supernet of a width multiplier (1.0 and 1.2 are published)."""
    return _widths(MobileNetV3.plan, multiplier)
