from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from sartor.specializer.accuracy.fit import kendall_tau
from sartor.specializer.accuracy.official import RESOLUTIONS, load_official
from sartor.specializer.space import SubNetwork
from sartor.specializer.supernets.mobilenet_v3 import (
    CHOICES,
    EXPANSIONS,
    KERNELS,
    MAX_DEPTH,
    MobileNetV3,
)
from sartor.tables.errors import CheckpointError, FormatError

torch = pytest.importorskip("torch")

WIDE = MobileNetV3(width=1.2, resolutions=RESOLUTIONS)


def published_features(network: SubNetwork) -> list[float]:
    """Encode as the published code does: kernels, expansions, resolution from 112 pixels on."""
    kernels, expansions, resolution = [0.0] * 60, [0.0] * 60, [0.0] * 8
    for slot, choice in enumerate(network[1:]):
        if choice:
            kernel, expansion = CHOICES[choice - 1]
            kernels[3 * slot + KERNELS.index(kernel)] = 1.0
            expansions[3 * slot + EXPANSIONS.index(expansion)] = 1.0
    resolution[(WIDE.resolution(network) - 112) // 16] = 1.0
    return [*kernels, *expansions, *resolution]


def published_network(folder: Path) -> SubNetwork:
    """Read a specialized network of the same supernet, at 224 pixels."""
    blocks = json.loads((folder / "net.config").read_text())["blocks"][1:]
    widths, choices = list(WIDE.widths.stages), [0] * len(WIDE.space.slots)
    places = dict.fromkeys(widths, 0)
    for block in blocks:
        convolution = block["mobile_inverted_conv"]
        width = convolution["out_channels"]
        pair = convolution["kernel_size"], convolution["expand_ratio"]
        choices[widths.index(width) * MAX_DEPTH + places[width]] = CHOICES.index(pair) + 1
        places[width] += 1
    return (RESOLUTIONS.index(224), *choices)


@pytest.mark.data
def test_answers_are_those_of_the_published_layers(data_folder: Path) -> None:
    path = data_folder / "ofa" / "acc_predictor.pth"
    state = torch.load(path, map_location="cpu", weights_only=True)
    sizes = [128, 400, 400, 400, 1]
    layers = [
        layer
        for inputs, outputs in pairwise(sizes)
        for layer in (torch.nn.Linear(inputs, outputs), torch.nn.ReLU())
    ]
    published = torch.nn.Sequential(*layers[:-1])
    published.load_state_dict(state)
    population = WIDE.space.random(500, np.random.default_rng(0))
    features = [published_features(tuple(row)) for row in population.tolist()]
    with torch.no_grad():
        expected = published(torch.tensor(features))[:, 0].numpy()
    assert load_official(path, WIDE).predict(population) == pytest.approx(expected, abs=1e-5)


@pytest.mark.data
def test_accuracy_rises_with_resolution(data_folder: Path) -> None:
    predictor = load_official(data_folder / "ofa" / "acc_predictor.pth", WIDE)
    population = WIDE.space.random(300, np.random.default_rng(0))
    means = []
    for context in range(len(RESOLUTIONS)):
        population[:, 0] = context
        means.append(predictor.predict(population).mean())
    assert means == sorted(means)


@pytest.mark.data
def test_published_networks_rank_as_they_were_measured(data_folder: Path) -> None:
    predictor = load_official(data_folder / "ofa" / "acc_predictor.pth", WIDE)
    names = [
        "note10_lat-30ms_top1-78.4_finetune-75",
        "flops-389M_top1-79.1_finetune-75",
        "note10_lat-41ms_top1-79.3_finetune-75",
        "note10_lat-50ms_top1-79.7_finetune-75",
    ]
    networks = [published_network(data_folder / "ofa" / "specialized" / name) for name in names]
    predicted = predictor.predict(np.array(networks, np.int16))
    assert kendall_tau(predicted, np.arange(4.0)) > 0.6


@pytest.mark.data
def test_a_resolution_that_it_never_learnt_is_refused(data_folder: Path) -> None:
    with pytest.raises(FormatError, match=r"\[128, 144\]"):
        load_official(data_folder / "ofa" / "acc_predictor.pth", MobileNetV3(1.2))


@pytest.mark.data
def test_another_predictor_is_refused(data_folder: Path) -> None:
    with pytest.raises(CheckpointError, match="official"):
        load_official(data_folder / "ofa" / "ofa_resnet50_acc_predictor.pth", WIDE)


@pytest.mark.parametrize("content", [b"", b"accuracy", b"PK\x03\x04"])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match="not the official accuracy predictor"):
        load_official(tmp_path / "other.pth", WIDE)


def test_another_object_is_refused(tmp_path: Path) -> None:
    for index, thing in enumerate(([1, 2], torch.zeros(3), {"0.weight": 1})):
        torch.save(thing, tmp_path / f"{index}.pth")
        with pytest.raises(CheckpointError, match="not the official accuracy predictor"):
            load_official(tmp_path / f"{index}.pth", WIDE)
