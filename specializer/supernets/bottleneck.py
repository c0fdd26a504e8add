"""Bottleneck blocks of ResNet-D: in a graph, and under the names of published state dicts.

Source: He et al., Deep residual learning, CVPR 2016, section 4.1; He et al., Bag of tricks for
image classification, CVPR 2019, section 4.2 (the stride in the middle, pooling in the shortcut);
names as in Once-for-All's published supernet, which doubles those of elastic layers
(``conv.conv.weight``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...tables.graph import GraphBuilder
from ...tables.operator import Shape
from .mbconv import Convolution


@dataclass(frozen=True, slots=True)
class Block:
    """One bottleneck block, as one sub-network has it.

    Attributes:
        index: position in the supernet's ``blocks``.
        middle: channels between the first and the last convolution.
        first: whether it is its stage's first block, whose shortcut is a convolution, too.
    """

    index: int
    in_channels: int
    middle: int
    out_channels: int
    stride: int
    first: bool


def convolutions(block: Block) -> Iterator[tuple[Convolution, Shape]]:
    """Yield a block's convolutions with the shapes of their kernels."""
    node, layer = f"block{block.index}", f"blocks.{block.index}"
    before, middle, out = block.in_channels, block.middle, block.out_channels
    yield normalised(f"{node}.reduce", f"{layer}.conv1"), (middle, before, 1, 1)
    yield normalised(f"{node}.spatial", f"{layer}.conv2"), (middle, middle, 3, 3)
    yield normalised(f"{node}.restore", f"{layer}.conv3"), (out, middle, 1, 1)
    if block.first:
        yield normalised(f"{node}.shortcut", f"{layer}.downsample"), (out, before, 1, 1)


def normalised(node: str, layer: str) -> Convolution:
    """Return an elastic convolution with BatchNorm, by its node and its published layer."""
    return Convolution(node, f"{layer}.conv.conv.weight", f"{layer}.bn.bn")


def add_bottleneck(builder: GraphBuilder, tensor: str, block: Block) -> str:
    """Append a block to a graph; return its result's name."""
    name, before, out = f"block{block.index}", tensor, block.out_channels
    tensor = convolve(builder, f"{name}.reduce", tensor, block.middle)
    spatial = f"{name}.spatial"
    tensor = convolve(builder, spatial, tensor, block.middle, kernel=3, stride=block.stride)
    tensor = convolve(builder, f"{name}.restore", tensor, out, activation="none")
    if block.stride > 1:
        before = builder.add(f"{name}.pool", "average_pool", before, window=block.stride)
    if block.first:
        before = convolve(builder, f"{name}.shortcut", before, out, activation="none")
    return builder.add(f"{name}.add", "add", before, tensor, activation="relu")


def convolve(
    builder: GraphBuilder,
    node: str,
    tensor: str,
    out: int,
    *,
    kernel: int = 1,
    stride: int = 1,
    activation: str = "relu",
) -> str:
    """Append a convolution; return its result's name."""
    return builder.add(
        node, "conv2d", tensor, kernel=kernel, out=out, stride=stride, activation=activation
    )
