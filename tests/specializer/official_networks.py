"""Published networks for tests: configurations as they are written, and what photos show."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

IMAGENETTE = {
    "n01440764": 0,
    "n02102040": 217,
    "n02979186": 482,
    "n03000684": 491,
    "n03028079": 497,
    "n03394916": 566,
    "n03417042": 569,
    "n03425413": 571,
    "n03445777": 574,
    "n03888257": 701,
}
"""The ten classes of Imagenette, and their places among ImageNet's thousand (sorted by name)."""

_STRIDED = (1, 5, 9, 17)
"""Blocks of the TinyML networks of ProxylessNAS with stride 2; see MANIFEST.md."""
_STAGES = (1, 5, 9, 13, 17, 21)
"""The first block of each stage, which has no shortcut."""


def config_of(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Write the configuration of a ProxylessNAS network, which came without, from its tensors."""

    def convolution(name: str, stride: int) -> dict[str, Any]:
        out, before, kernel, _ = state[f"{name}.conv.weight"].shape
        return {
            "name": "ConvLayer",
            "kernel_size": kernel,
            "stride": stride,
            "in_channels": before,
            "out_channels": out,
            "use_bn": True,
            "act_func": "relu6",
        }

    found = (re.match(r"blocks\.(\d+)\.", name) for name in state)
    last = max(int(match[1]) for match in found if match)
    classes, features = state["classifier.linear.weight"].shape
    return {
        "name": "ProxylessNASNets",
        "bn": {"momentum": 0.1, "eps": 0.001},
        "first_conv": convolution("first_conv", 2),
        "blocks": [_block(state, index) for index in range(last + 1)],
        "feature_mix_layer": convolution("feature_mix_layer", 1),
        "classifier": {"name": "LinearLayer", "in_features": features, "out_features": classes},
    }


def _block(state: Mapping[str, Tensor], index: int) -> dict[str, Any]:
    name = f"blocks.{index}.mobile_inverted_conv"
    if f"{name}.point_linear.conv.weight" not in state:
        zero = {"name": "ZeroLayer"}
        return {
            "name": "ResidualBlock",
            "mobile_inverted_conv": zero,
            "shortcut": _identity(),
        }
    middle, _, kernel, _ = state[f"{name}.depth_conv.conv.weight"].shape
    expanding = state.get(f"{name}.inverted_bottleneck.conv.weight")
    before = middle if expanding is None else expanding.shape[1]
    layer = {
        "name": "MBInvertedConvLayer",
        "in_channels": before,
        "out_channels": len(state[f"{name}.point_linear.conv.weight"]),
        "kernel_size": kernel,
        "stride": 2 if index in _STRIDED else 1,
        "expand_ratio": middle // before,
        "mid_channels": None,
        "act_func": "relu6",
        "use_se": False,
    }
    alone = index == 0 or index in _STAGES
    shortcut = None if alone else _identity()
    return {"name": "ResidualBlock", "mobile_inverted_conv": layer, "shortcut": shortcut}


def _identity() -> dict[str, Any]:
    return {"name": "IdentityLayer", "in_channels": [1], "out_channels": [1]}


def photos(archive: Path, size: int, of_each: int) -> tuple[Tensor, list[int]]:
    """Read the first photos of each class: (N, 3, size, size) in -1–1, and ImageNet's labels."""
    pixels, labels = [], []
    taken = dict.fromkeys(IMAGENETTE, 0)
    with tarfile.open(archive) as tar:
        for member in tar:
            part, wnid = Path(member.name).parts[-3:-1] if member.isfile() else ("", "")
            if part == "val" and wnid in taken and taken[wnid] < of_each:
                file = tar.extractfile(member)
                assert file is not None
                pixels.append(_centre(Image.open(io.BytesIO(file.read())), size))
                labels.append(IMAGENETTE[wnid])
                taken[wnid] += 1
    assert set(taken.values()) == {of_each}
    return torch.from_numpy(np.stack(pixels)), labels


def _centre(image: Image.Image, size: int) -> NDArray[np.float32]:
    """Scale to what evaluations of ImageNet look at, cut the middle, map 0–255 to -1–1."""
    scale = size / 0.875 / min(image.size)
    wide = image.convert("RGB").resize(
        (round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR
    )
    left, top = (wide.width - size) // 2, (wide.height - size) // 2
    cut = np.asarray(wide.crop((left, top, left + size, top + size)), np.float32)
    scaled: NDArray[np.float32] = (cut / 127.5 - 1).transpose(2, 0, 1)
    return scaled
