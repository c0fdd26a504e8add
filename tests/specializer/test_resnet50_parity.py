"""ResNet50's sub-networks against the published implementation's, on the same random weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from sartor.specializer.checkpoint import load_supernet
from sartor.specializer.extract import extract
from sartor.specializer.network import BatchStatisticsNorm, RunningNorm, graph_tensors, run_graph
from sartor.specializer.space import SubNetwork
from sartor.specializer.supernets.elastic import ElasticSupernet
from sartor.specializer.supernets.resnet50 import ResNet50

from .ofa_resnet_reference import OfaResNetReference
from .torch_tools import random_images, relative_difference

TOLERANCE = 1e-5
RESOLUTIONS = (64, 97)
"""Small, for time's sake: weights do not know of them. At 97 pixels, maps of 25, 13 and 7 pixels
are halved, so the last windows of the average pooling are cut."""


def paired(spec: ResNet50, seed: int) -> tuple[ElasticSupernet[ResNet50], OfaResNetReference]:
    reference = OfaResNetReference(spec, seed)
    state = {name: reference.state[name] for name in spec.state_shapes()}
    return ElasticSupernet(spec, state), reference


def drawn(spec: ResNet50, count: int, seed: int) -> list[SubNetwork]:
    rows = spec.space.random(count, np.random.default_rng(seed)).tolist()
    return [spec.space.largest, spec.space.smallest, *map(tuple, rows)]


@pytest.mark.parametrize(
    ("width", "count"), [(0.5, 20), pytest.param(1.0, 200, marks=pytest.mark.slow)]
)
def test_sub_networks_compute_and_count_what_ofa_does(width: float, count: int) -> None:
    spec = ResNet50(width, 1000, RESOLUTIONS)
    supernet, reference = paired(spec, seed=count)
    for index, subnetwork in enumerate(drawn(spec, count, seed=count)):
        images = random_images(1, spec.resolution(subnetwork), seed=index)
        with torch.inference_mode():
            logits = supernet(images, subnetwork, RunningNorm(spec.batch_norm_eps))
        assert relative_difference(logits, reference(images, subnetwork)) <= TOLERANCE
        multiply_adds, trained, deployed = reference.counts(subnetwork)
        graph = spec.graph(subnetwork)
        assert (graph.multiply_adds, graph.parameters) == (multiply_adds, deployed)
        weights = supernet.weights(subnetwork).items()
        assert sum(w.numel() for name, w in weights if ".running_" not in name) == trained


def test_deployed_sub_networks_compute_what_ofa_computes() -> None:
    spec = ResNet50(0.25, 10, RESOLUTIONS)
    supernet, reference = paired(spec, seed=0)
    for index, subnetwork in enumerate(drawn(spec, 10, seed=0)):
        images = random_images(1, spec.resolution(subnetwork), seed=index)
        deployed = extract(supernet, subnetwork).deployed()
        unused = BatchStatisticsNorm(spec.batch_norm_eps)
        logits = run_graph(deployed, graph_tensors(deployed), images, unused)
        assert relative_difference(logits, reference(images, subnetwork)) <= TOLERANCE


def test_every_tensor_has_its_published_name_and_shape() -> None:
    spec = ResNet50(1.0, 7)
    published = {
        name: tuple(value.shape)
        for name, value in OfaResNetReference(spec, 0).state.items()
        if not name.endswith("num_batches_tracked")
    }
    assert spec.state_shapes() == published


def test_the_published_supernet_has_the_published_multipliers() -> None:
    # The name of its file: d0-1-2_e0.2-0.25-0.35_w0.65-0.8-1.0.
    assert ResNet50().multipliers == (0.65, 0.8, 1.0)


def as_it_is(name: str) -> str:
    return name


def singly(name: str) -> str:
    """Spell a name as the package's own reader also takes it."""
    pairs = ((".linear.linear.", ".linear."), (".bn.bn.", ".bn."))
    for doubled, single in (*pairs, (".conv.conv.weight", ".conv.weight")):
        name = name.replace(doubled, single)
    return name


def of_many_gpus(name: str) -> str:
    return f"module.{singly(name)}"


@pytest.mark.parametrize("spelling", [as_it_is, singly, of_many_gpus])
@pytest.mark.parametrize("width", [0.25, 0.5])
def test_published_files_load_in_every_spelling(
    spelling: Callable[[str], str], width: float, tmp_path: Path
) -> None:
    spec = ResNet50(width, 7)
    supernet, reference = paired(spec, seed=1)
    state = {spelling(name): value for name, value in reference.state.items()}
    torch.save({"state_dict": state} if width == 0.5 else state, tmp_path / "ofa_resnet50.pth")
    loaded = load_supernet(tmp_path / "ofa_resnet50.pth").supernet
    assert loaded.spec == spec
    for name, value in supernet.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)
