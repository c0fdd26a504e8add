"""Once-for-All ProxylessNAS as data; width 1.3 was published.

Source: Cai et al., Once-for-All, ICLR 2020, and its published code; Cai et al., ProxylessNAS, ICLR
2019, section 4.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .mbconv_supernet import MbconvSupernet, Plan, Pointwise, Stage


@dataclass(frozen=True, slots=True)
class ProxylessNAS(MbconvSupernet):
    """One Once-for-All ProxylessNAS supernet, as a value.

    Attributes:
        width: multiplier of every channel count.
        classes: of the classifier.
        resolutions: input sizes in pixels, ascending.
    """

    family: ClassVar[str] = "proxylessnas"
    batch_norm_eps: ClassVar[float] = 1e-3
    plan: ClassVar[Plan] = Plan(
        space="ofa-proxyless",
        stem=32,
        stem_activation="relu6",
        first=16,
        first_activation="relu6",
        first_skip=False,
        stages=(
            Stage(24, 2, "relu6"),
            Stage(40, 2, "relu6"),
            Stage(80, 2, "relu6"),
            Stage(96, 1, "relu6"),
            Stage(192, 2, "relu6"),
            Stage(320, 1, "relu6", depths=(1, 1)),
        ),
        before_pool=Pointwise("head.feature", "feature_mix_layer", 1280, "relu6"),
    )

    width: float = 1.3
