"""The accuracy predictor that was published with Once-for-All ResNet50."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...tables.errors import FormatError
from ..space import RESOLUTION
from ..supernets.resnet50 import ResNet50
from .official import read_layers
from .predictor import Layer, MlpPredictor

RESOLUTIONS = (128, 144, 160, 176, 192, 224, 240, 256)
"""Input sizes that it knows, in pixels: all of the published ones but 208."""

_STEM_COLUMNS = 2
_NAMES = tuple(f"layers.{index}.0" for index in range(3))
_SHAPES = [(82, 400), (400, 400), (400, 400), (400, 1)]


def load_official_resnet50(path: Path, supernet: ResNet50) -> MlpPredictor:
    """Read the published predictor (``ofa_resnet50_acc_predictor.pth``) for a supernet's networks.

    It tells top-1 on ImageNet. Its 82 features are the resolution, whether the stem's optional
    block is there, the width of each part, and the expansion of each block, all one-hot; these are
    the axes and the choices of the space in their order, except that absence of the stem's block
    has a column too, which the first bias takes up here.

    Source: Cai et al., Once-for-All, ICLR 2020, section 3.4; the encoder of the PyPI package
    ``ofa``, and its published notebook, which names the resolutions.

    Raises:
        CheckpointError: the file cannot be read or is not that predictor.
        FormatError: the supernet has a resolution that the predictor never learnt.
    """
    if unknown := sorted(set(supernet.resolutions) - set(RESOLUTIONS)):
        raise FormatError(
            f"the official predictor of ResNet50 learnt {RESOLUTIONS} pixels, not {unknown}"
        )
    (first, *others, last), level = read_layers(path, _NAMES, "layers.3", "base_acc", _SHAPES)
    stem = len(RESOLUTIONS)
    widths = stem + _STEM_COLUMNS
    blocks = widths + sum(
        len(axis.labels) for axis in supernet.space.context_axes if axis.name != RESOLUTION
    )
    absent, present = first.weight[stem:widths]
    sizes = [RESOLUTIONS.index(size) for size in supernet.resolutions]
    weight = np.concatenate(
        [
            first.weight[sizes],
            first.weight[widths:blocks],
            (present - absent)[None],
            first.weight[blocks:],
        ]
    )
    ends = Layer(weight, first.bias + absent), Layer(last.weight, last.bias + level)
    return MlpPredictor(supernet.space, (ends[0], *others, ends[1]))
