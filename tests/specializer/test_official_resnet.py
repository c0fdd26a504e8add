"""Published ResNets: what they compute, and configurations that are none."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from sartor.specializer.official_config import read_config
from sartor.specializer.supernets.resnet50 import ResNet50
from sartor.tables.errors import FormatError

from .ofa_reference import OfaNetwork, _import_ofa_networks, _randomise
from .ofa_resnet_reference import OfaResNetReference
from .test_official_network import loaded, write
from .torch_tools import random_images, relative_difference

SPEC = ResNet50(0.25, 7, (97,))
TOLERANCE = 1e-5


def check(published: OfaNetwork, folder: Path, seed: int) -> None:
    write(folder, published.config, {"state_dict": published.state_dict()}, SPEC.resolutions[0])
    network, images = loaded(folder), random_images(2, SPEC.resolutions[0], seed)
    with torch.inference_mode():
        expected = published(images)
    assert relative_difference(network.run(images), expected) <= TOLERANCE


def test_a_single_network_of_the_supernet_computes_what_ofa_computes(tmp_path: Path) -> None:
    reference = OfaResNetReference(SPEC, 0)
    rows = SPEC.space.random(4, np.random.default_rng(0)).tolist()
    for index, row in enumerate([SPEC.space.largest, SPEC.space.smallest, *map(tuple, rows)]):
        check(reference.extracted(row), tmp_path, index)
        assert loaded(tmp_path).graph.operators == SPEC.graph(row).operators


@pytest.mark.parametrize("name", ["ResNet50", "ResNet50D"])
def test_the_usual_networks_compute_what_ofa_computes(name: str, tmp_path: Path) -> None:
    _import_ofa_networks()
    networks = importlib.import_module("ofa.imagenet_classification.networks.resnets")
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        published = getattr(networks, name)(n_classes=7, width_mult=0.25).eval()
        for tensor, value in published.state_dict().items():
            _randomise(tensor, value)
    check(cast("OfaNetwork", published), tmp_path, 0)


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda c: c["input_stem"][0].update(groups=3), "input_stem.0 has groups 3, and only 1"),
        (lambda c: c["blocks"][1].update(groups=2), "blocks.1 has groups 2, and only 1"),
        (lambda c: c["blocks"][0].update(downsample_mode="max"), "blocks.0 is strided by 'max'"),
        (lambda c: c["blocks"][0].update(name="MBConv"), "blocks.0 has name 'MBConv'"),
        (lambda c: c["blocks"][0].update(stride=None), "this is no net.config"),
        (lambda c: c.pop("input_stem"), "this is no net.config"),
        (lambda c: c.update(blocks=3), "this is no net.config"),
    ],
)
def test_what_is_not_known_is_refused(
    damage: Callable[[dict[str, Any]], object], complaint: str
) -> None:
    config = dict(OfaResNetReference(SPEC, 0).extracted(SPEC.space.smallest).config)
    damage(config)
    with pytest.raises(FormatError, match=complaint):
        read_config(config, 64)
