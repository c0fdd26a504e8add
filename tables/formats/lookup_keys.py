"""Keys of the public lookup tables: each names one operator or block, in words of its own.

Three families of tables share a grammar, and not its meaning. In ``expand:`` Once-for-All puts
channels, ProxylessNAS and NSGANetV2 the ratio of channels to those that go in. Squeeze-and-excite
and the activation stand in the key (``se:``, ``hs:``) or follow from the family's search space.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..channels import make_divisible
from ..errors import ExpansionError, FormatError, GraphError
from ..kinds import KINDS, output_shape
from ..operator import Operator, Shape

_MAX_RATIO = 16
"""Far above any ratio by which a block was ever expanded, and below any channel count."""

_NUMBER = "[1-9][0-9]{0,8}"
_MAP = f"{_NUMBER}x{_NUMBER}x{_NUMBER}"
_KEY = re.compile(f"(?P<name>[A-Za-z0-9_]+)-input:(?P<input>{_MAP}|{_NUMBER})(?P<rest>-.*)")
_LAYER = re.compile(f"-output:(?P<output>{_MAP}|{_NUMBER})")
_BLOCK = re.compile(
    f"-output:(?P<output>{_MAP})-expand:(?P<expand>{_NUMBER})-kernel:(?P<kernel>{_NUMBER})"
    f"-stride:(?P<stride>{_NUMBER})-idskip:(?P<idskip>[01])(?P<flags>(?:-[a-z]+:[01])*)"
)


@dataclass(frozen=True, slots=True)
class Layer:
    """What a family calls by one name: an operator, but for its shape and output channels.

    Attributes:
        kind: of the operator.
        kernel: of a convolution, else 0.
        stride: of a convolution, else 0.
        activation: fused.
        pooled: whether its input is a single pixel.
    """

    kind: str
    kernel: int = 0
    stride: int = 0
    activation: str = "none"
    pooled: bool = False

    def operator(self, shape: Shape, out: int) -> Operator:
        """Return the operator for an input and a number of output channels."""
        attributes: dict[str, int] = {"kernel": self.kernel, "out": out, "stride": self.stride}
        names = KINDS[self.kind].attributes
        counts = tuple((name, attributes[name]) for name in names)
        return Operator(self.kind, (shape,), counts, self.activation)


@dataclass(frozen=True, slots=True)
class KeyFormat:
    """The keys of one family of lookup tables.

    Attributes:
        name: of the family.
        block: what it calls an MBConv.
        flags: that end a block's key, such as ``se``.
        by_ratio: whether ``expand:`` is the ratio to the channels that go in.
        layers: what else it has, by name; of two that make one operator, the narrower first.
        activation: of a block, from its output channels and the value of ``hs:``, if there is one.
        flat: names of layers whose input is written as a number of channels.
    """

    name: str
    block: str
    flags: tuple[str, ...]
    by_ratio: bool
    layers: Mapping[str, Layer]
    activation: Callable[[int, str], str]
    flat: tuple[str, ...] = ()

    def parse(self, key: str) -> Operator:
        """Read a key.

        Raises:
            ExpansionError: ``expand:`` is not what this family puts there.
            FormatError: it is no key of this family, or contradicts itself.
        """
        if (found := _KEY.fullmatch(key)) is None or found["name"] not in {
            self.block,
            *self.layers,
        }:
            known = ", ".join(sorted({self.block, *self.layers}))
            raise FormatError(f"it is no key of {self.name}, which has {known}")
        before = _shape(found["input"])
        read = self._block if found["name"] == self.block else self._layer
        operator, output = read(found["name"], before, found["rest"])
        try:
            made = output_shape(operator)
        except GraphError as error:
            raise FormatError(str(error)) from error
        if made != output:
            raise FormatError(f"its output is not the {_map(made)} that comes of its input")
        return operator

    def write(self, operator: Operator) -> str:
        """Write an operator as a key; FormatError if the family has none for it."""
        if operator.kind == "mbconv":
            return self._write_block(operator)
        before, *others = operator.inputs
        out = dict(operator.attributes).get("out", before[0])
        pooled = before[1:] == (1, 1)
        for name, layer in self.layers.items():
            if layer.pooled <= pooled and layer.operator(before, out) == operator and not others:
                shape = before[:1] if name in self.flat else before
                return f"{name}-input:{_map(shape)}-output:{_map(output_shape(operator))}"
        raise FormatError(f"{self.name} has no key for {operator}")

    def _layer(self, name: str, before: Shape, rest: str) -> tuple[Operator, Shape]:
        if (found := _LAYER.fullmatch(rest)) is None:
            raise FormatError(f"{rest!r} is not -output:HEIGHTxWIDTHxCHANNELS")
        if (len(before) == 1) != (name in self.flat):
            raise FormatError(f"{_map(before)} is not how {self.name} writes the input of {name}")
        output = _shape(found["output"])
        before = (before[0], 1, 1) if name in self.flat else before
        if self.layers[name].pooled and before[1:] != (1, 1):
            raise FormatError(f"{name} of {self.name} reads a single pixel, not {_map(before)}")
        return self.layers[name].operator(before, output[0]), output

    def _block(self, _: str, before: Shape, rest: str) -> tuple[Operator, Shape]:
        if (found := _BLOCK.fullmatch(rest)) is None or len(before) == 1:
            raise FormatError(f"{rest!r} does not describe a block")
        flags = dict(flag.split(":") for flag in found["flags"].split("-")[1:])
        if tuple(flags) != self.flags:
            listed = ", ".join(f"{name}:" for name in self.flags) or "no flags"
            raise FormatError(f"a block of {self.name} ends in {listed}")
        output = _shape(found["output"])
        middle = self._channels(int(found["expand"]), before[0])
        attributes = {
            "expand": middle,
            "kernel": int(found["kernel"]),
            "out": output[0],
            "se": squeeze_channels(middle) if flags.get("se") == "1" else 0,
            "skip": int(found["idskip"]),
            "stride": int(found["stride"]),
        }
        activation = self.activation(output[0], flags.get("hs", ""))
        if not activation:
            raise FormatError(f"no stage of {self.name} has {output[0]} channels")
        return Operator("mbconv", (before,), tuple(attributes.items()), activation), output

    def _channels(self, expand: int, before: int) -> int:
        if not self.by_ratio:
            if expand < before:
                raise ExpansionError(
                    f"expand:{expand} is below the {before} channels that go in, so it is a ratio, "
                    f"where {self.name} has channels"
                )
            return expand
        if expand > _MAX_RATIO:
            raise ExpansionError(
                f"expand:{expand} can only be channels, where {self.name} has their ratio to the "
                f"{before} that go in"
            )
        return expand * before

    def _write_block(self, block: Operator) -> str:
        before, out, expand = block.inputs[0], block["out"], block["expand"]
        ratio, rest = divmod(expand, before[0])
        activations = {self.activation(out, value): value for value in ("1", "0", "")}
        squeeze = squeeze_channels(expand) if block["se"] and "se" in self.flags else 0
        if (
            (self.by_ratio and rest)
            or (not self.by_ratio and not ratio)
            or block["se"] != squeeze
            or block.activation not in activations
        ):
            raise FormatError(f"{self.name} has no key for {block}")
        values = {"se": str(min(squeeze, 1)), "hs": activations[block.activation]}
        flags = "".join(f"-{name}:{values[name]}" for name in self.flags)
        return (
            f"{self.block}-input:{_map(before)}-output:{_map(output_shape(block))}"
            f"-expand:{ratio if self.by_ratio else expand}-kernel:{block['kernel']}"
            f"-stride:{block['stride']}-idskip:{block['skip']}{flags}"
        )


def squeeze_channels(middle: int) -> int:
    """Return the channels between squeeze and excite, of a block with ``middle`` channels.

    Source: Howard et al., Searching for MobileNetV3, ICCV 2019, section 5.3 (a quarter), rounded as
    in Once-for-All's published code.
    """
    return make_divisible(middle // 4)


def _by_flag(_: int, hs: str) -> str:
    return {"1": "hswish", "0": "relu"}.get(hs, "")


def _by_stage(out: int, _: str) -> str:
    """Tell the activation of a stage of Once-for-All MobileNetV3 by its width, 1.0 or 1.2 times.

    Source: Cai et al., Once-for-All, ICLR 2020, section 4.1, and its published supernets.
    """
    stages = {16: "relu", 24: "relu", 32: "relu", 40: "relu", 48: "relu"}
    return (stages | dict.fromkeys((80, 96, 112, 136, 160, 192), "hswish")).get(out, "")


def _shape(text: str) -> Shape:
    """Read HEIGHTxWIDTHxCHANNELS, or channels alone, as (C, H, W) or (C,)."""
    *size, channels = map(int, text.split("x"))
    return (channels, *size)


def _map(shape: Shape) -> str:
    channels, *size = shape
    return "x".join(map(str, (*size, channels)))


ONCE_FOR_ALL = KeyFormat(
    name="once-for-all",
    block="expanded_conv",
    flags=("se", "hs"),
    by_ratio=False,
    layers={
        "Conv": Layer("conv2d", 3, 2, "hswish"),
        "Conv_2": Layer("conv2d", 1, 1, "hswish", pooled=True),
        "Conv_1": Layer("conv2d", 1, 1, "hswish"),
        "AvgPool2D": Layer("global_average_pool"),
        "Logits": Layer("dense", pooled=True),
    },
    activation=_by_flag,
)
"""Source: Cai et al., Once-for-All, ICLR 2020; its published tables of a Samsung Note10."""

PROXYLESS_NAS = KeyFormat(
    name="proxylessnas",
    block="expanded_conv",
    flags=(),
    by_ratio=True,
    layers={
        "Conv": Layer("conv2d", 3, 2, "relu6"),
        "Conv_1": Layer("conv2d", 1, 1, "relu6"),
        "Logits": Layer("pooled_dense"),
    },
    activation=lambda _out, _hs: "relu6",
)
"""Source: Cai et al., ProxylessNAS, ICLR 2019; its published table ``mobile_trim.yaml``."""

NSGANET_V2 = KeyFormat(
    name="nsganetv2",
    block="MBConv",
    flags=("se",),
    by_ratio=True,
    layers={
        "first_conv": Layer("conv2d", 3, 2, "hswish"),
        "feature_mix_layer": Layer("conv2d", 1, 1, "hswish", pooled=True),
        "final_expand_layer": Layer("conv2d", 1, 1, "hswish"),
        "classifier": Layer("dense", pooled=True),
    },
    activation=_by_stage,
    flat=("classifier",),
)
"""Source: Lu et al., NSGANetV2, ECCV 2020; its published table of a Core i7-8700K."""

KEY_FORMATS = (ONCE_FOR_ALL, PROXYLESS_NAS, NSGANET_V2)
