"""Official ResNets: what Once-for-All published as ``net.config``, as a graph and tensors' names.

Single networks of its ResNet50 supernet, and ResNet50 and ResNet50-D themselves;
``official_config`` reads the other families.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..tables.channels import make_divisible
from ..tables.errors import FormatError
from ..tables.graph import Graph, GraphBuilder
from .supernets.bottleneck import (
    Block,
    add_bottleneck,
    add_head,
    add_pool,
    convolutions,
    convolve,
    normalised,
)
from .supernets.mbconv import Convolution

NAME = "ResNets"
_USUAL: Mapping[str, Mapping[str, object]] = {
    "ConvLayer": {
        "act_func": "relu",
        "bias": False,
        "dilation": 1,
        "groups": 1,
        "has_shuffle": False,
        "ops_order": "weight_bn_act",
        "use_bn": True,
    },
    "ResNetBottleneckBlock": {"act_func": "relu", "groups": 1, "kernel_size": 3},
}
"""What no published network has otherwise."""


def read_resnet(config: Mapping[str, Any], resolution: int) -> tuple[Graph, dict[str, str]]:
    """Read the configuration of a ResNet.

    Args:
        config: a ``net.config``, parsed from JSON.
        resolution: of the input in pixels.

    Returns:
        Its graph, and the graph's name of every tensor, BatchNorm's included, to its published
        name.

    Raises:
        FormatError: there is something in it that is not known; any other error of looking things
            up where it is no such configuration.
    """
    reader = _Reader(config["name"], resolution)
    tensor = reader.builder.input
    for index, layer in enumerate(config["input_stem"]):
        tensor = reader.stem(tensor, f"input_stem.{index}", layer)
    tensor = add_pool(reader.builder, tensor)
    for index, layer in enumerate(config["blocks"]):
        tensor = reader.block(tensor, index, layer)
    add_head(reader.builder, tensor, config["classifier"]["out_features"])
    for part in ("weight", "bias"):
        reader.tensors[f"classifier.{part}"] = f"classifier.linear.{part}"
    return reader.builder.graph(), reader.tensors


class _Reader:
    """Grows a graph and the names of its tensors."""

    def __init__(self, name: str, resolution: int) -> None:
        self.builder = GraphBuilder(name, (3, resolution, resolution))
        self.tensors: dict[str, str] = {}

    def stem(self, tensor: str, name: str, layer: Mapping[str, Any]) -> str:
        """Append a layer of the stem: a convolution, or one that is added to what it reads."""
        added = layer["name"] == "ResidualBlock"
        convolution = layer["conv"] if added else layer
        _check(name, convolution, "ConvLayer")
        node = name.replace("input_stem.", "stem.layer")
        self._know(normalised(node, f"{name}.conv" if added else name, elastic=False))
        result = convolve(
            self.builder,
            node,
            tensor,
            convolution["out_channels"],
            kernel=convolution["kernel_size"],
            stride=convolution["stride"],
        )
        return self.builder.add(f"{node}.add", "add", tensor, result) if added else result

    def block(self, tensor: str, index: int, layer: Mapping[str, Any]) -> str:
        """Append a block."""
        _check(f"blocks.{index}", layer, "ResNetBottleneckBlock")
        if layer["downsample_mode"] not in ("conv", "avgpool_conv"):
            raise FormatError(f"blocks.{index} is strided by {layer['downsample_mode']!r}")
        before, out, stride = layer["in_channels"], layer["out_channels"], layer["stride"]
        block = Block(
            index=index,
            in_channels=before,
            middle=make_divisible(layer["mid_channels"] or round(out * layer["expand_ratio"])),
            out_channels=out,
            stride=stride,
            first=stride > 1 or before != out,
            pools=layer["downsample_mode"] == "avgpool_conv",
        )
        for convolution, _ in convolutions(block, elastic=False):
            self._know(convolution)
        return add_bottleneck(self.builder, tensor, block)

    def _know(self, convolution: Convolution) -> None:
        self.tensors |= dict(convolution.tensors())


def _check(name: str, layer: Mapping[str, Any], kind: str) -> None:
    """Raise FormatError unless a layer is of a kind, and usual in what is always the same."""
    for key, usual in {"name": kind, **_USUAL[kind]}.items():
        if layer.get(key, usual) != usual:
            raise FormatError(f"{name} has {key} {layer[key]!r}, and only {usual!r} is known")
