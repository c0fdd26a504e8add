"""Our sub-networks against the published implementation's, on the same random weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sartor.specializer.extract import extract
from sartor.specializer.network import BatchStatisticsNorm, RunningNorm, graph_tensors, run_graph
from sartor.specializer.space import SubNetwork
from sartor.specializer.supernets.elastic import ElasticMobileNetV3, state_shapes
from sartor.specializer.supernets.mobilenet_v3 import BATCH_NORM_EPS, MobileNetV3

from .ofa_reference import OfaReference
from .torch_tools import random_images, relative_difference

TOLERANCE = 1e-5
RESOLUTIONS = (64, 96)  # small, for time's sake: weights do not know of them


def paired(width: float, seed: int) -> tuple[ElasticMobileNetV3, OfaReference]:
    spec = MobileNetV3(width, 1000, RESOLUTIONS)
    supernet, reference = ElasticMobileNetV3(spec), OfaReference(spec, seed)
    supernet.load_state_dict({name: reference.state[name] for name in state_shapes(spec)})
    return supernet, reference


def drawn(spec: MobileNetV3, count: int, seed: int) -> list[SubNetwork]:
    rows = spec.space.random(count, np.random.default_rng(seed)).tolist()
    return [spec.space.largest, spec.space.smallest, *map(tuple, rows)]


@pytest.mark.parametrize("width", [1.0, 1.2])
@pytest.mark.parametrize("count", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_sub_networks_compute_what_ofa_computes(width: float, count: int) -> None:
    supernet, reference = paired(width, seed=count)
    for index, subnetwork in enumerate(drawn(supernet.spec, count, seed=count)):
        images = random_images(1, supernet.spec.resolution(subnetwork), seed=index)
        with torch.inference_mode():
            logits = supernet(images, subnetwork, RunningNorm(BATCH_NORM_EPS))
        assert relative_difference(logits, reference(images, subnetwork)) <= TOLERANCE


def test_deployed_sub_networks_compute_what_ofa_computes() -> None:
    supernet, reference = paired(1.0, seed=0)
    for index, subnetwork in enumerate(drawn(supernet.spec, 10, seed=0)):
        images = random_images(1, supernet.spec.resolution(subnetwork), seed=index)
        deployed = extract(supernet, subnetwork).deployed()
        unused = BatchStatisticsNorm(BATCH_NORM_EPS)
        logits = run_graph(deployed, graph_tensors(deployed), images, unused)
        assert relative_difference(logits, reference(images, subnetwork)) <= TOLERANCE


def test_every_tensor_has_its_published_name_and_shape() -> None:
    spec = MobileNetV3(1.2, 7)
    published = {
        name: tuple(value.shape)
        for name, value in OfaReference(spec, 0).state.items()
        if not name.endswith("num_batches_tracked")
    }
    assert state_shapes(spec) == published
