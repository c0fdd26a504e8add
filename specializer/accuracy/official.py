"""The accuracy predictor that was published with Once-for-All MobileNetV3."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...tables.errors import CheckpointError, FormatError
from ..supernets.mobilenet_v3 import CHOICES, EXPANSIONS, KERNELS, MobileNetV3
from .predictor import Layer, MlpPredictor

RESOLUTIONS = (160, 176, 192, 208, 224)
"""Input sizes that it knows, in pixels.

Its first layer has columns for 112, 128 and 144 too, but they never left their random start: every
weight lies within PyTorch's initial ±1/√128, and the answers exceed those for 160 pixels.
"""

_COLUMNS = tuple(range(112, 225, 16))
_UNREADABLE = (
    *(OSError, EOFError, RuntimeError, pickle.PickleError),  # no file of torch's
    *(LookupError, TypeError, ValueError, AttributeError),  # one of something else
)
_SHAPES = [(128, 400), (400, 400), (400, 400), (400, 1)]


def load_official(path: Path, supernet: MobileNetV3) -> MlpPredictor:
    """Read the published predictor (``acc_predictor.pth``) for the networks of a supernet.

    It tells top-1 on ImageNet, and was fitted to the supernet of width 1.2. Its 128 features are
    the kernel of each slot, then the expansion of each slot, then the resolution, all one-hot;
    the first layer is rewritten here for one feature per pair of kernel and expansion, which
    changes no answer.

    Source: Cai et al., Once-for-All, ICLR 2020, section 3.4; the published tutorial's code.

    Raises:
        CheckpointError: the file cannot be read or is not that predictor.
        FormatError: the supernet has a resolution that the predictor never learnt.
    """
    if unknown := sorted(set(supernet.resolutions) - set(RESOLUTIONS)):
        raise FormatError(f"the official predictor learnt {RESOLUTIONS} pixels, not {unknown}")
    (first, *others), _ = read_layers(path, ("0", "2", "4"), "6", None, _SHAPES)
    weight = _paired(first.weight, supernet)
    return MlpPredictor(supernet.space, (Layer(weight, first.bias), *others))


def read_layers(
    path: Path,
    hidden: Sequence[str],
    last: str,
    level: str | None,
    shapes: Sequence[tuple[int, ...]],
) -> tuple[list[Layer], NDArray[np.float32]]:
    """Read the linear layers of a published predictor.

    Args:
        path: of the file.
        hidden: names of the hidden layers.
        last: name of the last one; it may be without a bias.
        level: name of what is added to the answers; None where there is no such thing.
        shapes: (in, out) of each layer.

    Returns:
        The layers, and what is added to the answers.

    Raises:
        CheckpointError: the file cannot be read or is not that predictor.
    """
    import torch

    try:
        state = dict(torch.load(path, map_location="cpu", weights_only=True))
        arrays = {name: tensor.numpy() for name, tensor in state.items()}
        nothing = np.zeros(1, np.float32)
        layers = [Layer(arrays[f"{one}.weight"].T, arrays[f"{one}.bias"]) for one in hidden]
        layers.append(Layer(arrays[f"{last}.weight"].T, arrays.get(f"{last}.bias", nothing)))
        added = nothing if level is None else arrays[level]
    except _UNREADABLE as error:
        raise CheckpointError(f"{path} is not the official accuracy predictor: {error}") from error
    if (found := [layer.weight.shape for layer in layers]) != list(shapes):
        raise CheckpointError(f"{path}: the official predictor has layers {shapes}, not {found}")
    return layers, added


def _paired(weight: NDArray[np.float32], supernet: MobileNetV3) -> NDArray[np.float32]:
    """Rewrite the first layer: a choice weighs what its kernel and its expansion weigh together."""
    slots = len(supernet.space.slots)
    kernels, expansions, resolutions = np.split(
        weight, [slots * len(KERNELS), slots * (len(KERNELS) + len(EXPANSIONS))]
    )
    by_kernel = kernels.reshape(slots, len(KERNELS), -1)
    by_expansion = expansions.reshape(slots, len(EXPANSIONS), -1)
    pairs = [
        by_kernel[:, KERNELS.index(kernel)] + by_expansion[:, EXPANSIONS.index(expansion)]
        for kernel, expansion in CHOICES
    ]
    contexts = resolutions[[_COLUMNS.index(size) for size in supernet.resolutions]]
    return np.concatenate([contexts, np.stack(pairs, axis=1).reshape(-1, weight.shape[1])])
