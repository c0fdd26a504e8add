"""Official networks: what Once-for-All published as ``net.config``, as the operators it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..tables.errors import FormatError, GraphError
from ..tables.formats.lookup_keys import squeeze_channels
from ..tables.graph import GraphBuilder
from ..tables.operator import Operator

_ACTIVATIONS = {"relu": "relu", "relu6": "relu6", "h_swish": "hswish", None: "none"}


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
    try:
        return _operators(config, resolution)  # type: ignore[arg-type]  # checked by trying
    except FormatError:
        raise
    except (GraphError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise FormatError(
            f"this is no net.config of a MobileNetV3 or ProxylessNASNets ({error}); "
            "name one that Once-for-All published"
        ) from error


def _operators(config: Mapping[str, Any], resolution: int) -> tuple[Operator, ...]:
    if config["name"] not in {"MobileNetV3", "ProxylessNASNets"}:
        raise FormatError(f"networks of {config['name']} are not known")
    builder = GraphBuilder(config["name"], (3, resolution, resolution))
    tensor = _convolution(builder, builder.input, "first_conv", config["first_conv"])
    for index, block in enumerate(config["blocks"]):
        tensor = _block(builder, tensor, f"block{index}", block)
    classes = config["classifier"]["out_features"]
    if config["name"] == "MobileNetV3":
        tensor = _convolution(builder, tensor, "final_expand", config["final_expand_layer"])
        tensor = builder.add("pool", "global_average_pool", tensor)
        tensor = _convolution(builder, tensor, "feature_mix", config["feature_mix_layer"])
        builder.add("classifier", "dense", tensor, out=classes)
    else:
        tensor = _convolution(builder, tensor, "feature_mix", config["feature_mix_layer"])
        builder.add("classifier", "pooled_dense", tensor, out=classes)
    return builder.graph().operators


def _convolution(builder: GraphBuilder, tensor: str, name: str, layer: Mapping[str, Any]) -> str:
    return builder.add(
        name,
        "conv2d",
        tensor,
        activation=_ACTIVATIONS[layer["act_func"]],
        kernel=layer["kernel_size"],
        out=layer["out_channels"],
        stride=layer["stride"],
    )


def _block(builder: GraphBuilder, tensor: str, name: str, block: Mapping[str, Any]) -> str:
    layer = block["mobile_inverted_conv"]
    middle = layer["mid_channels"] or round(layer["in_channels"] * layer["expand_ratio"])
    return builder.add(
        name,
        "mbconv",
        tensor,
        activation=_ACTIVATIONS[layer["act_func"]],
        expand=middle,
        kernel=layer["kernel_size"],
        out=layer["out_channels"],
        se=squeeze_channels(middle) if layer["use_se"] else 0,
        skip=int(block["shortcut"] is not None),
        stride=layer["stride"],
    )
