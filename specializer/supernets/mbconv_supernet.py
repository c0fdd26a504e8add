"""Once-for-All supernets of MBConv blocks as data: stages, widths, and any sub-network's graph.

Two were published, MobileNetV3 and ProxylessNAS. What tells them apart is a ``Plan``. Nothing here
needs torch; ``mbconv_weights.py`` takes the weights of a sub-network.

Source: Cai et al., Once-for-All, ICLR 2020, sections 3.3 and 4.1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

from ...tables.channels import make_divisible
from ...tables.graph import Graph, GraphBuilder, Weights
from ...tables.operator import Shape
from ..space import ABSENT, SearchSpace, Slot, SubNetwork
from .mbconv import Block, Convolution, add_mbconv, block_shapes, convolutions
from .supernet import (
    PUBLISHED_RESOLUTIONS,
    Settings,
    checked_resolutions,
    checked_width,
    classifier_shape,
    width_of,
)

if TYPE_CHECKING:
    from torch import Tensor

KERNELS = (3, 5, 7)
EXPANSIONS = (3, 4, 6)
CHOICES = tuple((kernel, expansion) for expansion in EXPANSIONS for kernel in KERNELS)
CLASSIFIER = "classifier.linear"


@dataclass(frozen=True, slots=True)
class Stage:
    """Blocks of one width.

    Attributes:
        width: output channels at a multiplier of 1.
        stride: of the first block.
        depths: fewest and most blocks.
    """

    width: int
    stride: int
    activation: str
    squeeze_excite: bool = False
    depths: tuple[int, int] = (2, 4)


@dataclass(frozen=True, slots=True)
class Pointwise:
    """A 1×1 convolution behind the blocks.

    Attributes:
        node: of the graph.
        layer: its published name.
        width: output channels at a multiplier of 1.
        normalised: whether BatchNorm follows.
    """

    node: str
    layer: str
    width: int
    activation: str
    normalised: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What tells one family of such supernets from another.

    Attributes:
        space: how its search spaces are called, before the width.
        stem: channels behind the first convolution at a multiplier of 1.
        stem_activation: of the first convolution.
        first: channels behind the static first block.
        first_activation: of that block.
        first_skip: whether it adds its input where the channels allow.
        stages: of elastic blocks.
        before_pool: what stands before the average pooling.
        behind_pool: what stands behind it and before the classifier, if anything.
    """

    space: str
    stem: int
    stem_activation: str
    first: int
    first_activation: str
    first_skip: bool
    stages: tuple[Stage, ...]
    before_pool: Pointwise
    behind_pool: Pointwise | None = None


@dataclass(frozen=True, slots=True)
class Widths:
    """Channel counts outside the elastic part, and of each stage.

    Attributes:
        expand: behind the last convolution before the pooling.
        feature: that the classifier reads.
    """

    stem: int
    first: int
    stages: tuple[int, ...]
    expand: int
    feature: int


@dataclass(frozen=True, slots=True)
class MbconvSupernet:
    """One Once-for-All supernet of MBConv blocks, as a value; ``SupernetSpec`` says what for.

    Attributes:
        width: multiplier of every channel count.
        classes: of the classifier.
        resolutions: input sizes in pixels, ascending.
    """

    family: ClassVar[str]
    plan: ClassVar[Plan]
    batch_norm_eps: ClassVar[float]

    width: float = 1.0
    classes: int = 1000
    resolutions: tuple[int, ...] = PUBLISHED_RESOLUTIONS

    @classmethod
    def published(cls) -> MbconvSupernet:
        """Return the supernet of the published width."""
        return cls()

    @classmethod
    def describe(
        cls, settings: Settings, classes: int, resolutions: Sequence[int]
    ) -> MbconvSupernet:
        """Describe a supernet from untrusted numbers; FormatError when they make no sense."""
        return cls(checked_width(settings), classes, checked_resolutions(classes, resolutions))

    @classmethod
    def infer(cls, shapes: Mapping[str, Shape]) -> MbconvSupernet:
        """Tell width and classes from the shape of the classifier."""
        classes, features = classifier_shape(shapes, CLASSIFIER)
        width = width_of(features, widths(cls.plan, 1.0).feature)
        return cls.describe({"width": width}, classes, PUBLISHED_RESOLUTIONS)

    @property
    def settings(self) -> Settings:
        """The width."""
        return {"width": self.width}

    @property
    def widths(self) -> Widths:
        """Channel counts."""
        return widths(self.plan, self.width)

    @property
    def space(self) -> SearchSpace:
        """Resolutions × slots × (kernel, expansion) or absent."""
        labels = tuple(f"k{kernel}e{expansion}" for kernel, expansion in CHOICES)
        stages = tuple(
            tuple(
                Slot(f"stage{number}.block{place + 1}", labels, place >= stage.depths[0])
                for place in range(stage.depths[1])
            )
            for number, stage in enumerate(self.plan.stages, 1)
        )
        name = f"{self.plan.space}-w{self.width:g}"
        return SearchSpace(name, tuple(map(str, self.resolutions)), stages)

    def block(self, slot: int, choice: int) -> Block:
        """Describe the block that a choice (1, 2, …) puts into a slot (0, 1, …)."""
        number, place = _places(self.plan)[slot]
        stage, sizes = self.plan.stages[number], (self.widths.first, *self.widths.stages)
        kernel, expansion = CHOICES[choice - 1]
        before, after = sizes[number + (place > 0)], sizes[number + 1]
        stride = stage.stride if place == 0 else 1
        middle = make_divisible(round(before * expansion))
        return Block(
            index=slot + 1,
            in_channels=before,
            out_channels=after,
            middle=middle,
            kernel=kernel,
            stride=stride,
            activation=stage.activation,
            squeeze_middle=make_divisible(middle // 4) if stage.squeeze_excite else 0,
            residual=stride == 1 and before == after,
        )

    def blocks(self, subnetwork: SubNetwork) -> Iterator[Block]:
        """Yield a sub-network's elastic blocks in order."""
        for slot, choice in enumerate(subnetwork[1:]):
            if choice != ABSENT:
                yield self.block(slot, choice)

    @property
    def first_block(self) -> Block:
        """The static block before the elastic ones."""
        stem, first = self.widths.stem, self.widths.first
        return Block(
            index=0,
            in_channels=stem,
            out_channels=first,
            middle=stem,
            kernel=3,
            stride=1,
            activation=self.plan.first_activation,
            residual=self.plan.first_skip and stem == first,
            expands=False,
        )

    def resolution(self, subnetwork: SubNetwork) -> int:
        """Return a sub-network's input size in pixels."""
        return self.resolutions[subnetwork[0]]

    def graph(self, subnetwork: SubNetwork, weights: Weights | None = None) -> Graph:
        """Build the deployed graph of a sub-network, BatchNorm folded into the convolutions."""
        space = self.space
        space.check(subnetwork)
        size = self.resolution(subnetwork)
        builder = GraphBuilder(space.text(subnetwork), (3, size, size))
        tensor = self._add_stem(builder)
        for block in self.blocks(subnetwork):
            tensor = add_mbconv(builder, tensor, block)
        self._add_head(builder, tensor)
        return builder.graph(weights)

    def stem_graph(self, context: int) -> Graph:
        """Build what stands before the elastic blocks, for one resolution."""
        size = self.resolutions[context]
        builder = GraphBuilder(f"{size}:stem", (3, size, size))
        self._add_stem(builder)
        return builder.graph()

    def block_graph(self, context: int, slot: int, choice: int) -> Graph:
        """Build one elastic block as it stands in a network of one resolution."""
        stage, place = _places(self.plan)[slot]
        size = self._input_sizes(context)[stage][place > 0]
        block = self.block(slot, choice)
        name = f"{self.resolutions[context]}:{self.space.slots[slot].name}={choice}"
        builder = GraphBuilder(name, (block.in_channels, size, size))
        add_mbconv(builder, builder.input, block)
        return builder.graph()

    def head_graph(self, context: int) -> Graph:
        """Build what stands behind the elastic blocks, for one resolution."""
        size = self._input_sizes(context)[-1][1]
        name = f"{self.resolutions[context]}:head"
        builder = GraphBuilder(name, (self.widths.stages[-1], size, size))
        self._add_head(builder, builder.input)
        return builder.graph()

    def fixed_convolutions(self) -> dict[Convolution, Shape]:
        """Return what every sub-network has of convolutions, with the shapes of their kernels."""
        plan, channels = self.plan, self.widths
        first = convolutions(self.first_block, elastic=False)
        found: dict[Convolution, Shape] = {
            Convolution("stem", "first_conv.conv.weight", "first_conv.bn"): (
                channels.stem,
                3,
                3,
                3,
            ),
            first["depthwise"]: (channels.stem, 1, 3, 3),
            first["project"]: (channels.first, channels.stem, 1, 1),
            _published(plan.before_pool): (channels.expand, channels.stages[-1], 1, 1),
        }
        if plan.behind_pool:
            found[_published(plan.behind_pool)] = (channels.feature, channels.expand, 1, 1)
        return found

    def state_shapes(self) -> dict[str, Shape]:
        """List every tensor by its published name, with its shape."""
        shapes: dict[str, Shape] = {}
        for convolution, kernels in self.fixed_convolutions().items():
            shapes |= dict(convolution.shapes(kernels))
        shapes[f"{CLASSIFIER}.weight"] = (self.classes, self.widths.feature)
        shapes[f"{CLASSIFIER}.bias"] = (self.classes,)
        for slot in range(len(_places(self.plan))):
            block = self.block(slot, len(CHOICES))  # the dearest choice is the widest
            shapes |= block_shapes(block, elastic=True)
            for small, large in pairwise(KERNELS):
                matrix = f"blocks.{block.index}.conv.depth_conv.conv.{large}to{small}_matrix"
                shapes[matrix] = (small**2, small**2)
        return shapes

    def weights(self, subnetwork: SubNetwork, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Take a sub-network's weights out of the supernet's tensors."""
        from .mbconv_weights import take_weights

        return take_weights(self, subnetwork, state)

    def _add_stem(self, builder: GraphBuilder) -> str:
        tensor = builder.add(
            "stem",
            "conv2d",
            builder.input,
            kernel=3,
            out=self.widths.stem,
            stride=2,
            activation=self.plan.stem_activation,
        )
        return add_mbconv(builder, tensor, self.first_block)

    def _add_head(self, builder: GraphBuilder, tensor: str) -> str:
        plan = self.plan
        tensor = _add_pointwise(builder, tensor, plan.before_pool, self.widths.expand)
        tensor = builder.add("head.pool", "global_average_pool", tensor)
        if plan.behind_pool:
            tensor = _add_pointwise(builder, tensor, plan.behind_pool, self.widths.feature)
        return builder.add("classifier", "dense", tensor, out=self.classes)

    def _input_sizes(self, context: int) -> Sequence[tuple[int, int]]:
        """Feature-map sizes before the first and before the other blocks of each stage."""
        size = math.ceil(self.resolutions[context] / 2)
        sizes = []
        for stage in self.plan.stages:
            before, size = size, math.ceil(size / stage.stride)
            sizes.append((before, size))
        return sizes


@cache
def widths(plan: Plan, multiplier: float) -> Widths:
    """Channel counts of a family's supernet of a width multiplier."""
    last = plan.behind_pool or plan.before_pool
    stem, first, *stages, expand, feature = (
        make_divisible(base * multiplier)
        for base in (
            *(plan.stem, plan.first, *(stage.width for stage in plan.stages)),
            *(plan.before_pool.width, last.width),
        )
    )
    return Widths(stem, first, tuple(stages), expand, feature)


@cache
def _places(plan: Plan) -> tuple[tuple[int, int], ...]:
    """List of each slot its stage and its place there, both counted from 0."""
    stages = enumerate(plan.stages)
    return tuple((number, place) for number, stage in stages for place in range(stage.depths[1]))


def _published(layer: Pointwise) -> Convolution:
    norm = f"{layer.layer}.bn" if layer.normalised else ""
    return Convolution(layer.node, f"{layer.layer}.conv.weight", norm)


def _add_pointwise(builder: GraphBuilder, tensor: str, layer: Pointwise, out: int) -> str:
    return builder.add(
        layer.node, "conv2d", tensor, kernel=1, out=out, stride=1, activation=layer.activation
    )
