"""Bottleneck blocks of ResNets and what stands around them: in a graph, and in state dicts.

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
        index: position in the published ``blocks``.
        middle: channels between the first and the last convolution.
        first: whether it is its stage's first block, whose shortcut is a convolution, too.
        pools: whether that shortcut strides by average pooling, as in ResNet-D, or its convolution.
    """

    index: int
    in_channels: int
    middle: int
    out_channels: int
    stride: int
    first: bool
    pools: bool = True


def convolutions(block: Block, *, elastic: bool) -> Iterator[tuple[Convolution, Shape]]:
    """Yield a block's convolutions with the shapes of their kernels."""

    def named(part: str, layer: str) -> Convolution:
        return normalised(f"{node}.{part}", f"{blocks}.{layer}", elastic=elastic)

    node, blocks = f"block{block.index}", f"blocks.{block.index}"
    before, middle, out = block.in_channels, block.middle, block.out_channels
    yield named("reduce", "conv1"), (middle, before, 1, 1)
    yield named("spatial", "conv2"), (middle, middle, 3, 3)
    yield named("restore", "conv3"), (out, middle, 1, 1)
    if block.first:
        yield named("shortcut", "downsample"), (out, before, 1, 1)


def normalised(node: str, layer: str, *, elastic: bool) -> Convolution:
    """Return a convolution with BatchNorm, by its node and its published layer."""
    if elastic:
        return Convolution(node, f"{layer}.conv.conv.weight", f"{layer}.bn.bn")
    return Convolution(node, f"{layer}.conv.weight", f"{layer}.bn")


def add_bottleneck(builder: GraphBuilder, tensor: str, block: Block) -> str:
    """Append a block to a graph; return its result's name."""
    name, before, out = f"block{block.index}", tensor, block.out_channels
    tensor = convolve(builder, f"{name}.reduce", tensor, block.middle)
    spatial = f"{name}.spatial"
    tensor = convolve(builder, spatial, tensor, block.middle, kernel=3, stride=block.stride)
    tensor = convolve(builder, f"{name}.restore", tensor, out, activation="none")
    stride = block.stride
    if stride > 1 and block.pools:
        before, stride = builder.add(f"{name}.pool", "average_pool", before, window=stride), 1
    if block.first:
        shortcut = f"{name}.shortcut"
        before = convolve(builder, shortcut, before, out, stride=stride, activation="none")
    return builder.add(f"{name}.add", "add", before, tensor, activation="relu")


def add_stem_block(builder: GraphBuilder, tensor: str, channels: int) -> str:
    """Append the block that ResNet-D's stem may have; return its result's name."""
    convolved = convolve(builder, "stem.block", tensor, channels, kernel=3)
    return builder.add("stem.add", "add", tensor, convolved)


def add_pool(builder: GraphBuilder, tensor: str) -> str:
    """Append the maximum pooling that ends every stem; return its result's name."""
    return builder.add("stem.pool", "max_pool", tensor, kernel=3, stride=2, activation="relu")


def add_head(builder: GraphBuilder, tensor: str, classes: int) -> str:
    """Append what stands behind the blocks; return its result's name."""
    tensor = builder.add("head.pool", "global_average_pool", tensor)
    return builder.add("classifier", "dense", tensor, out=classes)


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
