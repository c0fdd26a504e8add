"""MBConv blocks: in a graph, and under the names that published state dicts give them.

Source: Sandler et al., MobileNetV2, CVPR 2018, section 3.3; names as in Once-for-All's published
checkpoints, which write elastic layers doubled (``conv.conv.weight``) and others singly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ...tables.graph import GraphBuilder
from ...tables.operator import Shape

NORM = ("weight", "bias", "running_mean", "running_var")
"""Tensors of a BatchNorm."""

_LAYERS = {
    "expand": "inverted_bottleneck",
    "depthwise": "depth_conv",
    "project": "point_linear",
}


@dataclass(frozen=True, slots=True)
class Block:
    """One MBConv, as one network has it.

    Attributes:
        index: position in the published ``blocks``.
        middle: channels of the depthwise convolution.
        squeeze_middle: channels between the two convolutions of squeeze-and-excite; 0 where there
            is none.
        residual: whether it adds its input to its output.
        expands: whether a convolution stands before the depthwise one.
    """

    index: int
    in_channels: int
    out_channels: int
    middle: int
    kernel: int
    stride: int
    activation: str
    squeeze_middle: int = 0
    residual: bool = False
    expands: bool = True

    @property
    def expansion(self) -> float:
        """Middle channels over input channels."""
        return self.middle / self.in_channels

    @property
    def squeeze_excite(self) -> bool:
        """Whether there is squeeze-and-excite."""
        return self.squeeze_middle > 0


@dataclass(frozen=True, slots=True)
class Convolution:
    """A convolution, and where a state dict has its tensors.

    Attributes:
        node: of the graph.
        weight: name of its kernels.
        norm: name of its BatchNorm; empty where it has none.
    """

    node: str
    weight: str
    norm: str = ""

    def tensors(self) -> Iterator[tuple[str, str]]:
        """Yield the graph's and the published name of every tensor."""
        yield f"{self.node}.weight", self.weight
        if self.norm:
            for part in NORM:
                yield f"{self.node}.norm.{part}", f"{self.norm}.{part}"

    def shapes(self, kernels: Shape) -> Iterator[tuple[str, Shape]]:
        """Yield the published name and the shape of every tensor, from that of the kernels."""
        yield self.weight, kernels
        if self.norm:
            for part in NORM:
                yield f"{self.norm}.{part}", kernels[:1]


def add_mbconv(builder: GraphBuilder, tensor: str, block: Block) -> str:
    """Append a block to a graph; return its result's name."""
    name = f"block{block.index}"
    before = tensor
    if block.expands:
        tensor = builder.add(
            f"{name}.expand",
            "conv2d",
            tensor,
            kernel=1,
            out=block.middle,
            stride=1,
            activation=block.activation,
        )
    tensor = builder.add(
        f"{name}.depthwise",
        "depthwise_conv2d",
        tensor,
        kernel=block.kernel,
        stride=block.stride,
        activation=block.activation,
    )
    if block.squeeze_excite:
        tensor = builder.add(
            f"{name}.squeeze_excite", "squeeze_excite", tensor, middle=block.squeeze_middle
        )
    tensor = builder.add(
        f"{name}.project", "conv2d", tensor, kernel=1, out=block.out_channels, stride=1
    )
    if block.residual:
        tensor = builder.add(f"{name}.add", "add", before, tensor)
    return tensor


def convolutions(block: Block, *, elastic: bool) -> dict[str, Convolution]:
    """Return a block's convolutions by what they do: expand, depthwise, project."""
    again_conv, again_bn = (".conv", ".bn") if elastic else ("", "")
    return {
        part: Convolution(
            f"block{block.index}.{part}",
            f"blocks.{block.index}.conv.{layer}.conv{again_conv}.weight",
            f"blocks.{block.index}.conv.{layer}.bn{again_bn}",
        )
        for part, layer in _LAYERS.items()
        if block.expands or part != "expand"
    }


def gate_tensors(block: Block) -> Iterator[tuple[str, str, Shape]]:
    """Yield the graph's name, the published name and the shape of each of squeeze-and-excite's."""
    if not block.squeeze_excite:
        return
    node = f"block{block.index}.squeeze_excite"
    name = f"blocks.{block.index}.conv.depth_conv.se.fc"
    for step, out, before in (
        ("reduce", block.squeeze_middle, block.middle),
        ("expand", block.middle, block.squeeze_middle),
    ):
        yield f"{node}.{step}_weight", f"{name}.{step}.weight", (out, before, 1, 1)
        yield f"{node}.{step}_bias", f"{name}.{step}.bias", (out,)


def block_shapes(block: Block, *, elastic: bool) -> dict[str, Shape]:
    """List a block's tensors by their published names, kernel matrices apart."""
    found = convolutions(block, elastic=elastic)
    kernels: Mapping[str, Shape] = {
        "expand": (block.middle, block.in_channels, 1, 1),
        "depthwise": (block.middle, 1, block.kernel, block.kernel),
        "project": (block.out_channels, block.middle, 1, 1),
    }
    shapes: dict[str, Shape] = {}
    for part, convolution in found.items():
        shapes |= dict(convolution.shapes(kernels[part]))
        if part == "depthwise":
            shapes |= {name: shape for _, name, shape in gate_tensors(block)}
    return shapes
