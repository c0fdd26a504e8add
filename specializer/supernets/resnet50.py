"""Once-for-All ResNet50 as data: widths, the space, and the graph of any sub-network.

A ResNet50-D (He et al., Bag of tricks, CVPR 2019, section 4.2: three small convolutions for the
stem, average pooling in the shortcuts) of which depth, the width of every part and the middle of
every block are elastic. A block's shapes depend on the widths of its own stage and, of a first
block, of the one before, so widths are axes of the context. A sub-network's
weights are the first channels of the supernet's.

Source: Cai et al., Once-for-All, ICLR 2020; the published supernet ``ofa_resnet50``
(``d0-1-2_e0.2-0.25-0.35_w0.65-0.8-1.0``) and the PyPI package ``ofa``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from ...tables.channels import make_divisible
from ...tables.graph import Graph, GraphBuilder, Weights
from ...tables.operator import Shape
from ..space import ABSENT, HEAD, RESOLUTION, STEM, Axis, SearchSpace, Slot, SubNetwork
from .bottleneck import (
    Block,
    add_bottleneck,
    add_head,
    add_pool,
    add_stem_block,
    convolutions,
    convolve,
    normalised,
)
from .mbconv import Convolution
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

EXPANSIONS = (0.2, 0.25, 0.35)
"""Middle channels of a block as shares of its output's."""

MULTIPLIERS = (0.65, 0.8, 1.0)
"""Of the channels of each part."""

BASE_STEM, BASE_STAGES = 64, (256, 512, 1024, 2048)
DEPTHS = ((2, 4), (2, 4), (4, 6), (2, 4))
"""Fewest and most blocks of each stage."""

STRIDES = (1, 2, 2, 2)
CLASSIFIER = "classifier.linear.linear"
_STEM_BLOCK = "stem.block"


@dataclass(frozen=True, slots=True)
class Widths:
    """Channel counts of one context.

    Attributes:
        inner: behind the stem's first convolution, and in its optional block.
        stem: behind its last one.
        stages: of each stage's blocks.
    """

    inner: int
    stem: int
    stages: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ResNet50:
    """One Once-for-All ResNet50 supernet, as a value; ``SupernetSpec`` says what for.

    Attributes:
        width: multiplier of every channel count, upon the elastic ones.
        classes: of the classifier.
        resolutions: input sizes in pixels, ascending.
    """

    family: ClassVar[str] = "resnet50"
    batch_norm_eps: ClassVar[float] = 1e-5

    width: float = 1.0
    classes: int = 1000
    resolutions: tuple[int, ...] = PUBLISHED_RESOLUTIONS

    @classmethod
    def published(cls) -> ResNet50:
        """Return the published supernet."""
        return cls()

    @classmethod
    def describe(cls, settings: Settings, classes: int, resolutions: Sequence[int]) -> ResNet50:
        """Describe a supernet from untrusted numbers; FormatError when they make no sense."""
        return cls(checked_width(settings), classes, checked_resolutions(classes, resolutions))

    @classmethod
    def infer(cls, shapes: Mapping[str, Shape]) -> ResNet50:
        """Tell width and classes from the shape of the classifier."""
        classes, features = classifier_shape(shapes, CLASSIFIER)
        width = width_of(features, BASE_STAGES[-1])
        return cls.describe({"width": width}, classes, PUBLISHED_RESOLUTIONS)

    @property
    def settings(self) -> Settings:
        """The width."""
        return {"width": self.width}

    @property
    def multipliers(self) -> tuple[float, ...]:
        """Of the channels of each part, ascending."""
        return tuple(multiplier * self.width for multiplier in MULTIPLIERS)

    @property
    def space(self) -> SearchSpace:
        """Resolutions × widths of six parts, and slots: the stem's block, then every block."""
        return _space(f"ofa-resnet50-w{self.width:g}", self.resolutions)

    def widths(self, context: int) -> Widths:
        """Return the channel counts of a context."""
        *_, inner, stem, stage1, stage2, stage3, stage4 = _places(self.space, context)
        of = self.multipliers
        bases = zip(BASE_STAGES, (stage1, stage2, stage3, stage4), strict=True)
        return Widths(
            # half of what a stem of that width has: its two parts are elastic by themselves
            make_divisible(make_divisible(BASE_STEM * of[inner]) // 2),
            make_divisible(BASE_STEM * of[stem]),
            tuple(make_divisible(base * of[place]) for base, place in bases),
        )

    def block(self, context: int, slot: int, choice: int) -> Block:
        """Describe the block that a choice (1, 2, …) puts into a slot (1, 2, …)."""
        stage, place = _stage_of(slot)
        channels = self.widths(context)
        sizes = (channels.stem, *channels.stages)
        out = sizes[stage + 1]
        return Block(
            index=slot - 1,
            in_channels=sizes[stage + (place > 0)],
            middle=make_divisible(round(out * EXPANSIONS[choice - 1])),
            out_channels=out,
            stride=STRIDES[stage] if place == 0 else 1,
            first=place == 0,
        )

    def blocks(self, subnetwork: SubNetwork) -> Iterator[Block]:
        """Yield a sub-network's blocks in order; what may stand in the stem is none of them."""
        context, _, *choices = subnetwork
        for slot, choice in enumerate(choices, 1):
            if choice != ABSENT:
                yield self.block(context, slot, choice)

    def resolution(self, subnetwork: SubNetwork) -> int:
        """Return a sub-network's input size in pixels."""
        return self._size(subnetwork[0])

    def graph(self, subnetwork: SubNetwork, weights: Weights | None = None) -> Graph:
        """Build the deployed graph of a sub-network, BatchNorm folded into the convolutions."""
        space = self.space
        space.check(subnetwork)
        context, stem_block, *_ = subnetwork
        size = self._size(context)
        builder = GraphBuilder(space.text(subnetwork), (3, size, size))
        tensor = _add_stem(builder, self.widths(context), optional=stem_block != ABSENT)
        for block in self.blocks(subnetwork):
            tensor = add_bottleneck(builder, tensor, block)
        add_head(builder, tensor, self.classes)
        return builder.graph(weights)

    def stem_graph(self, context: int) -> Graph:
        """Build what stands before the stages, without its optional block."""
        size = self._size(context)
        builder = GraphBuilder(f"{self.space.contexts[context]}:stem", (3, size, size))
        _add_stem(builder, self.widths(context), optional=False)
        return builder.graph()

    def block_graph(self, context: int, slot: int, choice: int) -> Graph:
        """Build what stands in one slot, as it stands in the networks of a context."""
        name = f"{self.space.contexts[context]}:{self.space.slots[slot].name}={choice}"
        if slot == 0:
            size, channels = math.ceil(self._size(context) / 2), self.widths(context).inner
            builder = GraphBuilder(name, (channels, size, size))
            add_stem_block(builder, builder.input, channels)
            return builder.graph()
        stage, place = _stage_of(slot)
        before, size = self._sizes(context)[stage]
        block = self.block(context, slot, choice)
        size = before if place == 0 else size
        builder = GraphBuilder(name, (block.in_channels, size, size))
        add_bottleneck(builder, builder.input, block)
        return builder.graph()

    def head_graph(self, context: int) -> Graph:
        """Build what stands behind the stages."""
        size = self._sizes(context)[-1][1]
        name = f"{self.space.contexts[context]}:head"
        builder = GraphBuilder(name, (self.widths(context).stages[-1], size, size))
        add_head(builder, builder.input, self.classes)
        return builder.graph()

    def convolutions(self, subnetwork: SubNetwork) -> Iterator[tuple[Convolution, Shape]]:
        """Yield every convolution of a sub-network, with the shape of its kernels."""
        context, stem_block, *_ = subnetwork
        channels = self.widths(context)
        inner, stem = channels.inner, channels.stem
        yield normalised("stem.first", "input_stem.0", elastic=True), (inner, 3, 3, 3)
        if stem_block != ABSENT:
            yield normalised("stem.block", "input_stem.1.conv", elastic=True), (inner, inner, 3, 3)
        yield normalised("stem.last", "input_stem.2", elastic=True), (stem, inner, 3, 3)
        for block in self.blocks(subnetwork):
            yield from convolutions(block, elastic=True)

    def state_shapes(self) -> dict[str, Shape]:
        """List every tensor by its published name, with its shape."""
        largest = self.space.largest
        shapes: dict[str, Shape] = {}
        for convolution, kernels in self.convolutions(largest):
            shapes |= dict(convolution.shapes(kernels))
        shapes[f"{CLASSIFIER}.weight"] = (self.classes, self.widths(largest[0]).stages[-1])
        shapes[f"{CLASSIFIER}.bias"] = (self.classes,)
        return shapes

    def weights(self, subnetwork: SubNetwork, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Take a sub-network's weights out of the supernet's tensors: their first channels."""
        from .slices import first_channels

        taken: dict[str, Tensor] = {}
        for convolution, (out, before, *_) in self.convolutions(subnetwork):
            for ours, published in convolution.tensors():
                tensor = state[published]
                taken[ours] = first_channels(tensor, *(out, before)[: tensor.dim()])
        weight, features = state[f"{CLASSIFIER}.weight"], self.widths(subnetwork[0]).stages[-1]
        taken["classifier.weight"] = first_channels(weight, self.classes, features)
        taken["classifier.bias"] = state[f"{CLASSIFIER}.bias"]
        return taken

    def _size(self, context: int) -> int:
        return self.resolutions[_places(self.space, context)[0]]

    def _sizes(self, context: int) -> list[tuple[int, int]]:
        """Feature-map sizes before and behind the first block of each stage."""
        size = math.ceil(self._size(context) / 4)
        sizes = []
        for stride in STRIDES:
            before, size = size, math.ceil(size / stride)
            sizes.append((before, size))
        return sizes


@cache
def _space(name: str, resolutions: tuple[int, ...]) -> SearchSpace:
    stages = [
        tuple(
            Slot(
                f"stage{number}.block{place + 1}",
                tuple(f"e{100 * expansion:.0f}" for expansion in EXPANSIONS),
                place >= least,
            )
            for place in range(most)
        )
        for number, (least, most) in enumerate(DEPTHS, 1)
    ]
    widths = tuple(f"w{100 * multiplier:.0f}" for multiplier in MULTIPLIERS)
    read_by = [(stage[0].name,) for stage in stages] + [(HEAD,)]
    axes = (
        Axis(RESOLUTION, tuple(map(str, resolutions))),
        Axis("stem.inner", widths, (STEM, _STEM_BLOCK)),
        Axis("stem.width", widths, (STEM, *read_by[0])),
        *(
            Axis(f"stage{number}.width", widths, (*(slot.name for slot in stage), *read_by[number]))
            for number, stage in enumerate(stages, 1)
        ),
    )
    stem = (Slot(_STEM_BLOCK, ("conv",), optional=True),)
    return SearchSpace.of_axes(name, axes, (stem, *stages))


@cache
def _stage_of(slot: int) -> tuple[int, int]:
    """Return the stage of a slot (1, 2, …), and its place there, both counted from 0."""
    places = [(stage, place) for stage, (_, most) in enumerate(DEPTHS) for place in range(most)]
    return places[slot - 1]


def _places(space: SearchSpace, context: int) -> list[int]:
    """Return a context's place on each axis, the resolution's first."""
    places = []
    for count in reversed(space.axis_counts):
        context, place = divmod(context, count)
        places.append(place)
    return places[::-1]


def _add_stem(builder: GraphBuilder, channels: Widths, *, optional: bool) -> str:
    tensor = convolve(builder, "stem.first", builder.input, channels.inner, kernel=3, stride=2)
    if optional:
        tensor = add_stem_block(builder, tensor, channels.inner)
    tensor = convolve(builder, "stem.last", tensor, channels.stem, kernel=3)
    return add_pool(builder, tensor)
