from __future__ import annotations

import ast
import csv
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from sartor.specializer.cost import compile_cost
from sartor.specializer.space import ABSENT
from sartor.specializer.supernets.mobilenet_v3 import (
    CHOICES,
    MAX_DEPTH,
    MobileNetV3,
    widths,
)
from sartor.tables.channels import make_divisible
from sartor.tables.errors import FormatError
from sartor.tables.kinds import multiply_adds
from sartor.tables.operator import Operator

supernets = st.builds(
    MobileNetV3,
    st.sampled_from([1.0, 1.2]),
    st.sampled_from([10, 1000]),
    st.lists(st.integers(32, 256), min_size=1, max_size=2, unique=True).map(sorted).map(tuple),
)


def test_published_widths() -> None:
    assert widths(1.0).stages == (24, 40, 80, 112, 160)
    assert (widths(1.0).stem, widths(1.0).expand, widths(1.0).feature) == (16, 960, 1280)
    assert widths(1.2).stages == (32, 48, 96, 136, 192)
    assert (widths(1.2).first, widths(1.2).expand, widths(1.2).feature) == (24, 1152, 1536)


@given(st.floats(1, 5000))
def test_make_divisible_loses_at_most_a_tenth(channels: float) -> None:
    rounded = make_divisible(channels)
    assert rounded % 8 == 0
    assert 0.9 * channels <= rounded < channels + 8 or rounded == 8


@settings(max_examples=30)
@given(supernets, st.integers(0, 2**32 - 1))
def test_the_parts_hold_the_operators_of_the_whole(supernet: MobileNetV3, seed: int) -> None:
    for row in supernet.space.random(5, np.random.default_rng(seed)).tolist():
        context, *choices = row
        parts = [
            supernet.stem_graph(context),
            *(
                supernet.block_graph(context, slot, choice)
                for slot, choice in enumerate(choices)
                if choice != ABSENT
            ),
            supernet.head_graph(context),
        ]
        whole = supernet.graph(tuple(row))
        assert [op for part in parts for op in part.operators] == list(whole.operators)
        assert whole.multiply_adds == sum(part.multiply_adds for part in parts)
        assert whole.shapes[whole.output] == (supernet.classes,)


def test_multiply_adds_of_the_stem() -> None:
    # By hand, at 224 pixels: 3×3 from 3 to 16, then 3×3 depthwise and 1×1 on 16 channels.
    pixels = 112 * 112
    assert MobileNetV3(resolutions=(224,)).stem_graph(0).multiply_adds == pixels * (
        16 * 3 * 9 + 16 * 9 + 16 * 16
    )


def test_depth_and_choices_reach_the_blocks() -> None:
    supernet = MobileNetV3()
    network = supernet.space.parse("192:k7e6.k3e4.-.-|k5e3.k5e3.k5e3.-" + "|k3e3.k3e3.-.-" * 3)
    blocks = list(supernet.blocks(network))
    assert supernet.resolution(network) == 192
    assert [(block.kernel, block.expansion) for block in blocks[:3]] == [(7, 6), (3, 4), (5, 3)]
    assert [block.index for block in blocks[:3]] == [1, 2, 1 + MAX_DEPTH]
    assert [block.stride for block in blocks[:3]] == [2, 1, 2]
    assert [block.residual for block in blocks[:3]] == [False, True, False]


@pytest.mark.parametrize(
    ("width", "classes", "resolutions"),
    [(0.0, 10, [96]), (float("nan"), 10, [96]), (1.0, 0, [96]), (1.0, 10, []), (1.0, 10, [16])],
)
def test_spec_refuses_numbers_that_make_no_sense(
    width: float, classes: int, resolutions: list[int]
) -> None:
    with pytest.raises(FormatError, match="no supernet"):
        MobileNetV3.describe({"width": width}, classes, resolutions)


@pytest.mark.data
@pytest.mark.parametrize("source", ["evonsga2", "linasnsga2"])
def test_multiply_adds_as_published(data_folder: Path, source: str) -> None:
    # DyNAS-T counted some 550 networks with torch hooks, which miss one multiplication: that of
    # squeeze-and-excite with its input.
    def counted(operator: Operator) -> int:
        if operator.kind == "squeeze_excite":
            return 2 * operator.inputs[0][0] * operator["middle"]
        return multiply_adds(operator)

    networks, published = [], []
    with (data_folder / "accuracy" / f"mbnv3w10_{source}_acc_macs.csv").open() as file:
        for row in csv.DictReader(file):
            network = ast.literal_eval(row["Sub-network"])
            pairs = enumerate(zip(network["ks"], network["e"], strict=True))
            choices = [
                CHOICES.index(pair) + 1 if slot % MAX_DEPTH < network["d"][slot // MAX_DEPTH] else 0
                for slot, pair in pairs
            ]
            networks.append([0, *choices])
            published.append(int(row["MACs"]))
    cost = compile_cost(MobileNetV3(resolutions=(224,)), counted)
    assert len(networks) > 500
    assert cost.evaluate(np.array(networks, np.int16)).tolist() == published
