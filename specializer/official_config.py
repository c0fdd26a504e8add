"""Official networks: what was published as ``net.config``, as a graph and the names of its tensors.

Both repositories, ProxylessNAS and Once-for-All, describe a single network so. Nothing here needs
torch; ``official_network.py`` reads the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..tables.blocks import composed
from ..tables.errors import FormatError, GraphError
from ..tables.formats.lookup_keys import squeeze_channels
from ..tables.graph import Graph, GraphBuilder
from ..tables.operator import Operator
from .official_resnet import NAME as RESNETS
from .official_resnet import read_resnet
from .supernets.mbconv import Block, Convolution, add_mbconv, convolutions, gate_tensors

_ACTIVATIONS = {"relu": "relu", "relu6": "relu6", "h_swish": "hswish", None: "none"}
_EPS = {"MobileNetV3": 1e-5, "ProxylessNASNets": 1e-3, RESNETS: 1e-5}
"""What BatchNorm adds to the variance where a configuration does not tell; the published code's."""

_USUAL: Mapping[str, object] = {
    "dilation": 1,
    "groups": 1,
    "has_shuffle": False,
    "bias": False,
    "ops_order": "weight_bn_act",
}
"""Of a convolution by itself, what no published network has otherwise."""


@dataclass(frozen=True, slots=True)
class OfficialConfig:
    """A published network without its weights.

    Attributes:
        graph: its operators.
        tensors: the graph's name of every tensor, BatchNorm's included, to its published name.
        eps: what every BatchNorm adds to the variance.
    """

    graph: Graph
    tensors: Mapping[str, str]
    eps: float


def read_config(config: object, resolution: int) -> OfficialConfig:
    """Read the configuration of a published network.

    Args:
        config: a ``net.config``, parsed from JSON.
        resolution: of the input in pixels, as its ``run.config`` says.

    Raises:
        FormatError: it is no such configuration.
    """
    try:
        return _Reader(config, resolution).network()  # type: ignore[arg-type]  # checked by trying
    except FormatError:
        raise
    except (GraphError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise FormatError(
            f"this is no net.config of a MobileNetV3, ProxylessNASNets or ResNets ({error}); "
            "name one that Once-for-All published"
        ) from error


def config_operators(config: object, resolution: int) -> tuple[Operator, ...]:
    """Return the operators of a published network, by which the public tables of blocks know it.

    MobileNetV3 pools before its last convolution, ProxylessNAS behind it and in one with the
    classifier, as its tables have it.

    Args:
        config: a ``net.config``, parsed from JSON.
        resolution: of the input in pixels, as its ``run.config`` says.

    Returns:
        In execution order; each MBConv is one operator.

    Raises:
        FormatError: it is no such configuration.
    """
    operators = composed(read_config(config, resolution).graph.operators)
    *others, pool, dense = operators
    if pool.kind != "global_average_pool":
        return operators
    return (*others, Operator("pooled_dense", pool.inputs, dense.attributes))


class _Reader:
    """Walks through a configuration once."""

    def __init__(self, config: Mapping[str, Any], resolution: int) -> None:
        if config["name"] not in _EPS:
            raise FormatError(f"networks of {config['name']} are not known")
        self._config, self._resolution = config, resolution
        self._builder = GraphBuilder(config["name"], (3, resolution, resolution))
        self._tensors: dict[str, str] = {}

    def network(self) -> OfficialConfig:
        """Build the graph from the image to the classes."""
        config, builder = self._config, self._builder
        eps = float(config.get("bn", {}).get("eps", _EPS[config["name"]]))
        if config["name"] == RESNETS:
            return OfficialConfig(*read_resnet(config, self._resolution), eps)
        tensor = self._convolution(builder.input, "stem", "first_conv")
        for index, block in enumerate(config["blocks"]):
            tensor = self._block(tensor, index, block)
        if config["name"] == "MobileNetV3":
            tensor = self._convolution(tensor, "head.expand", "final_expand_layer")
            tensor = builder.add("head.pool", "global_average_pool", tensor)
            tensor = self._convolution(tensor, "head.feature", "feature_mix_layer")
        else:
            if config["feature_mix_layer"] is not None:
                tensor = self._convolution(tensor, "head.feature", "feature_mix_layer")
            tensor = builder.add("head.pool", "global_average_pool", tensor)
        builder.add("classifier", "dense", tensor, out=config["classifier"]["out_features"])
        for part in ("weight", "bias"):
            self._tensors[f"classifier.{part}"] = f"classifier.linear.{part}"
        return OfficialConfig(builder.graph(), self._tensors, eps)

    def _convolution(self, tensor: str, node: str, name: str) -> str:
        layer = self._config[name]
        for key, usual in _USUAL.items():
            if layer.get(key, usual) != usual:
                raise FormatError(f"{name} has {key} {layer[key]!r}, and only {usual!r} is known")
        norm = f"{name}.bn" if layer.get("use_bn", True) else ""
        self._tensors |= dict(Convolution(node, f"{name}.conv.weight", norm).tensors())
        return self._builder.add(
            node,
            "conv2d",
            tensor,
            activation=_ACTIVATIONS[layer["act_func"]],
            kernel=layer["kernel_size"],
            out=layer["out_channels"],
            stride=layer["stride"],
        )

    def _block(self, tensor: str, index: int, described: Mapping[str, Any]) -> str:
        inner = "conv" if "conv" in described else "mobile_inverted_conv"
        layer, shortcut = described[inner], described.get("shortcut")
        if _is_nothing(layer):
            return tensor
        if layer.get("groups") is not None:
            raise FormatError(f"block {index} has groups, and only depthwise ones are known")
        middle = layer["mid_channels"] or round(layer["in_channels"] * layer["expand_ratio"])
        block = Block(
            index=index,
            in_channels=layer["in_channels"],
            out_channels=layer["out_channels"],
            middle=middle,
            kernel=layer["kernel_size"],
            stride=layer["stride"],
            activation=_ACTIVATIONS[layer["act_func"]],
            squeeze_middle=squeeze_channels(middle) if layer["use_se"] else 0,
            residual=not _is_nothing(shortcut),
            expands=layer["expand_ratio"] != 1,
        )
        for convolution in convolutions(block, elastic=False).values():
            self._tensors |= dict(convolution.tensors())
        self._tensors |= {ours: published for ours, published, _ in gate_tensors(block)}
        return add_mbconv(self._builder, tensor, block)


def _is_nothing(layer: Mapping[str, Any] | None) -> bool:
    """Whether a layer is left out: as a block, only its shortcut is left, the block's input."""
    return layer is None or layer.get("name") == "ZeroLayer"
