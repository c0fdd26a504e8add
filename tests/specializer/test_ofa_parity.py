"""Our sub-networks against the published implementation's, on the same random weights."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from sartor.specializer.extract import extract
from sartor.specializer.network import BatchStatisticsNorm, RunningNorm, graph_tensors, run_graph
from sartor.specializer.space import SubNetwork
from sartor.specializer.supernets.elastic import ElasticSupernet
from sartor.specializer.supernets.mbconv_supernet import MbconvSupernet
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.specializer.supernets.proxylessnas import ProxylessNAS
from sartor.tables.graph import Graph

from .ofa_reference import OfaReference
from .torch_tools import random_images, relative_difference

TOLERANCE = 1e-5
RESOLUTIONS = (64, 96)  # small, for time's sake: weights do not know of them
PUBLISHED = [
    MobileNetV3(1.0, 1000, RESOLUTIONS),
    MobileNetV3(1.2, 1000, RESOLUTIONS),
    ProxylessNAS(1.3, 1000, RESOLUTIONS),
]


def name_of(spec: MbconvSupernet) -> str:
    return spec.space.name


def paired(spec: MbconvSupernet, seed: int) -> tuple[ElasticSupernet[MbconvSupernet], OfaReference]:
    supernet, reference = ElasticSupernet(spec), OfaReference(spec, seed)
    supernet.load_state_dict({name: reference.state[name] for name in spec.state_shapes()})
    return supernet, reference


def drawn(spec: MbconvSupernet, count: int, seed: int) -> list[SubNetwork]:
    rows = spec.space.random(count, np.random.default_rng(seed)).tolist()
    return [spec.space.largest, spec.space.smallest, *map(tuple, rows)]


def counted_as_published(graph: Graph) -> int:
    """Count without the multiplication of squeeze-and-excite with its input, as the package does.

    It counts by hooks of convolutions and linear layers, which that is none of.
    """
    gates = (op.inputs[0] for op in graph.operators if op.kind == "squeeze_excite")
    return graph.multiply_adds - sum(map(math.prod, gates))


@pytest.mark.parametrize("spec", PUBLISHED, ids=name_of)
@pytest.mark.parametrize("count", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_sub_networks_compute_what_ofa_computes(spec: MbconvSupernet, count: int) -> None:
    supernet, reference = paired(spec, seed=count)
    norm = RunningNorm(spec.batch_norm_eps)
    for index, subnetwork in enumerate(drawn(spec, count, seed=count)):
        images = random_images(1, spec.resolution(subnetwork), seed=index)
        with torch.inference_mode():
            logits = supernet(images, subnetwork, norm)
        assert relative_difference(logits, reference(images, subnetwork)) <= TOLERANCE


@pytest.mark.parametrize("spec", PUBLISHED, ids=name_of)
@pytest.mark.parametrize("count", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_sub_networks_are_as_large_as_ofas(spec: MbconvSupernet, count: int) -> None:
    reference = OfaReference(spec, 0)
    for subnetwork in drawn(spec, count, seed=count):
        graph = spec.graph(subnetwork)
        counts = counted_as_published(graph), graph.parameters
        assert counts == reference.counts(subnetwork)


@pytest.mark.parametrize("spec", [PUBLISHED[0], PUBLISHED[2]], ids=name_of)
def test_deployed_sub_networks_compute_what_ofa_computes(spec: MbconvSupernet) -> None:
    supernet, reference = paired(spec, seed=0)
    for index, subnetwork in enumerate(drawn(spec, 10, seed=0)):
        images = random_images(1, spec.resolution(subnetwork), seed=index)
        deployed = extract(supernet, subnetwork).deployed()
        unused = BatchStatisticsNorm(spec.batch_norm_eps)
        logits = run_graph(deployed, graph_tensors(deployed), images, unused)
        assert relative_difference(logits, reference(images, subnetwork)) <= TOLERANCE


@pytest.mark.parametrize("spec", [MobileNetV3(1.2, 7), ProxylessNAS(0.4, 7)], ids=name_of)
def test_every_tensor_has_its_published_name_and_shape(spec: MbconvSupernet) -> None:
    published = {
        name: tuple(value.shape)
        for name, value in OfaReference(spec, 0).state.items()
        if not name.endswith("num_batches_tracked")
    }
    assert spec.state_shapes() == published
