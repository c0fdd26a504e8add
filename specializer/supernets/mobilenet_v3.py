"""Once-for-All MobileNetV3 as data: stages, widths, and the graph of any sub-network.

Source: Cai et al., Once-for-All, ICLR 2020, section 4.1; the published supernets of width 1.0 and
1.2. Nothing here needs torch; ``elastic.py`` holds the same network as a torch module.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from ...tables.channels import make_divisible
from ...tables.errors import FormatError
from ...tables.graph import Graph, GraphBuilder, Weights
from ..space import ABSENT, SearchSpace, Slot, SubNetwork

KERNELS = (3, 5, 7)
EXPANSIONS = (3, 4, 6)
CHOICES = tuple((kernel, expansion) for expansion in EXPANSIONS for kernel in KERNELS)
MAX_DEPTH, MIN_DEPTH = 4, 2
STRIDES = (2, 2, 2, 1, 2)
ACTIVATIONS = ("relu", "relu", "hswish", "hswish", "hswish")
SQUEEZE_EXCITE = (False, True, False, True, True)
BATCH_NORM_EPS = 1e-5


@dataclass(frozen=True, slots=True)
class Widths:
    """Channel counts outside the elastic part, and of each stage."""

    stem: int
    first: int
    stages: tuple[int, ...]
    expand: int
    feature: int


@cache
def widths(multiplier: float) -> Widths:
    """Channel counts of the supernet of a width multiplier (1.0 and 1.2 are published)."""
    stem, first, *stages, expand, feature = (
        make_divisible(base * multiplier) for base in (16, 16, 24, 40, 80, 112, 160, 960, 1280)
    )
    return Widths(stem, first, tuple(stages), expand, feature)


@dataclass(frozen=True, slots=True)
class Block:
    """One MBConv of the elastic part, as one sub-network has it.

    Attributes:
        index: position in the supernet's ``blocks`` (the static first block is 0).
        middle: channels of the depthwise convolution.
    """

    index: int
    in_channels: int
    out_channels: int
    kernel: int
    expansion: int
    stride: int
    activation: str
    squeeze_excite: bool

    @property
    def middle(self) -> int:
        """Channels of the depthwise convolution."""
        return make_divisible(round(self.in_channels * self.expansion))

    @property
    def squeeze_middle(self) -> int:
        """Channels between the two convolutions of squeeze-and-excite."""
        return make_divisible(self.middle // 4)

    @property
    def residual(self) -> bool:
        """Whether the block adds its input to its output."""
        return self.stride == 1 and self.in_channels == self.out_channels


@dataclass(frozen=True, slots=True)
class MobileNetV3:
    """One Once-for-All MobileNetV3 supernet, as a value.

    Attributes:
        width: multiplier of every channel count.
        classes: of the classifier.
        resolutions: input sizes in pixels, ascending.
    """

    width: float = 1.0
    classes: int = 1000
    resolutions: tuple[int, ...] = tuple(range(128, 225, 16))

    @property
    def widths(self) -> Widths:
        """Channel counts."""
        return widths(self.width)

    @property
    def space(self) -> SearchSpace:
        """Resolutions × twenty slots × (kernel, expansion) or absent."""
        labels = tuple(f"k{kernel}e{expansion}" for kernel, expansion in CHOICES)
        stages = tuple(
            tuple(
                Slot(f"stage{stage + 1}.block{place + 1}", labels, place >= MIN_DEPTH)
                for place in range(MAX_DEPTH)
            )
            for stage in range(len(STRIDES))
        )
        return SearchSpace(f"ofa-mbv3-w{self.width:g}", tuple(map(str, self.resolutions)), stages)

    def block(self, slot: int, choice: int) -> Block:
        """Describe the block that a choice (1, 2, …) puts into a slot (0, 1, …)."""
        stage, place = divmod(slot, MAX_DEPTH)
        sizes = (self.widths.first, *self.widths.stages)
        kernel, expansion = CHOICES[choice - 1]
        return Block(
            index=slot + 1,
            in_channels=sizes[stage + (place > 0)],
            out_channels=sizes[stage + 1],
            kernel=kernel,
            expansion=expansion,
            stride=STRIDES[stage] if place == 0 else 1,
            activation=ACTIVATIONS[stage],
            squeeze_excite=SQUEEZE_EXCITE[stage],
        )

    def blocks(self, subnetwork: SubNetwork) -> Iterator[Block]:
        """Yield a sub-network's elastic blocks in order."""
        for slot, choice in enumerate(subnetwork[1:]):
            if choice != ABSENT:
                yield self.block(slot, choice)

    def resolution(self, subnetwork: SubNetwork) -> int:
        """Return a sub-network's input size in pixels."""
        return self.resolutions[subnetwork[0]]

    def graph(self, subnetwork: SubNetwork, weights: Weights | None = None) -> Graph:
        """Build the deployed graph of a sub-network, BatchNorm folded into the convolutions."""
        self.space.check(subnetwork)
        size = self.resolution(subnetwork)
        builder = GraphBuilder(self.space.text(subnetwork), (3, size, size))
        tensor = _stem(builder, builder.input, self.widths)
        for block in self.blocks(subnetwork):
            tensor = _mbconv(builder, tensor, block)
        _head(builder, tensor, self.widths, self.classes)
        return builder.graph(weights)

    def stem_graph(self, context: int) -> Graph:
        """Build what stands before the elastic blocks, for one resolution."""
        size = self.resolutions[context]
        builder = GraphBuilder(f"{size}:stem", (3, size, size))
        _stem(builder, builder.input, self.widths)
        return builder.graph()

    def block_graph(self, context: int, slot: int, choice: int) -> Graph:
        """Build one elastic block as it stands in a network of one resolution."""
        size = self._input_sizes(context)[slot // MAX_DEPTH][slot % MAX_DEPTH > 0]
        block = self.block(slot, choice)
        name = f"{self.resolutions[context]}:{self.space.slots[slot].name}={choice}"
        builder = GraphBuilder(name, (block.in_channels, size, size))
        _mbconv(builder, builder.input, block)
        return builder.graph()

    def head_graph(self, context: int) -> Graph:
        """Build what stands behind the elastic blocks, for one resolution."""
        size = self._input_sizes(context)[-1][1]
        name = f"{self.resolutions[context]}:head"
        builder = GraphBuilder(name, (self.widths.stages[-1], size, size))
        _head(builder, builder.input, self.widths, self.classes)
        return builder.graph()

    def _input_sizes(self, context: int) -> Sequence[tuple[int, int]]:
        """Feature-map sizes before the first and before the other blocks of each stage."""
        size = math.ceil(self.resolutions[context] / 2)
        sizes = []
        for stride in STRIDES:
            before, size = size, math.ceil(size / stride)
            sizes.append((before, size))
        return sizes


def supernet_spec(width: float, classes: int, resolutions: Sequence[int]) -> MobileNetV3:
    """Describe a supernet from untrusted numbers; FormatError when they make no sense."""
    sizes = tuple(sorted(set(resolutions)))
    if not 0.1 <= width <= 4 or classes < 1 or not sizes or not 32 <= sizes[0] <= sizes[-1] <= 1024:
        raise FormatError(
            f"no supernet has width {width}, {classes} classes and resolutions {sizes}: "
            "want 0.1–4, at least 1, and 32–1024 pixels"
        )
    return MobileNetV3(width, classes, sizes)


def _stem(builder: GraphBuilder, tensor: str, channels: Widths) -> str:
    tensor = builder.add(
        "stem", "conv2d", tensor, kernel=3, out=channels.stem, stride=2, activation="hswish"
    )
    before = tensor
    tensor = builder.add(
        "block0.depthwise", "depthwise_conv2d", tensor, kernel=3, stride=1, activation="relu"
    )
    tensor = builder.add("block0.project", "conv2d", tensor, kernel=1, out=channels.first, stride=1)
    if channels.stem == channels.first:
        tensor = builder.add("block0.add", "add", before, tensor)
    return tensor


def _mbconv(builder: GraphBuilder, tensor: str, block: Block) -> str:
    name = f"block{block.index}"
    before = tensor
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


def _head(builder: GraphBuilder, tensor: str, channels: Widths, classes: int) -> str:
    tensor = builder.add(
        "head.expand",
        "conv2d",
        tensor,
        kernel=1,
        out=channels.expand,
        stride=1,
        activation="hswish",
    )
    tensor = builder.add("head.pool", "global_average_pool", tensor)
    tensor = builder.add(
        "head.feature",
        "conv2d",
        tensor,
        kernel=1,
        out=channels.feature,
        stride=1,
        activation="hswish",
    )
    return builder.add("classifier", "dense", tensor, out=classes)
