"""From a ResNet50 supernet to files that run: every step that a user's network takes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sartor.profiler.writers.onnx import onnx_bytes
from sartor.profiler.writers.tflite import tflite_bytes
from sartor.specializer.calibration_set import calibration_batches
from sartor.specializer.cost import compile_cost
from sartor.specializer.extract import extract
from sartor.specializer.network import Network
from sartor.specializer.recalibrate import recalibrate
from sartor.specializer.search.evolution import SearchSettings, search
from sartor.specializer.supernets.resnet50 import ResNet50
from sartor.tables.dtypes import graph_with_dtype
from sartor.tables.kinds import multiply_adds

from ..profiler.test_writers import delegated_and_kinds, run_litert, run_onnxruntime
from ..profiler.test_writers_dtypes import optimised
from .chain import random_image
from .torch_tools import random_images, random_supernet, relative_difference
from .toy import random_predictor

SPEC = ResNet50(0.25, 10, (64, 97))
TOLERANCE = 1e-5


@pytest.fixture(scope="module", params=["found", "smallest", "largest"])
def network(request: pytest.FixtureRequest) -> Network:
    """A sub-network that a search found, or one of the ends, extracted and recalibrated."""
    space, rng = SPEC.space, np.random.default_rng(0)
    subnetwork = {"smallest": space.smallest, "largest": space.largest}.get(request.param)
    if subnetwork is None:
        cost = compile_cost(SPEC, lambda operator: 0.001 + multiply_adds(operator) / 1e8)
        ends = np.array([space.smallest, space.largest], np.int16)
        budget_ms = float(cost.evaluate(ends).mean())
        brief = SearchSettings(generations=5)
        found = search(space, cost, budget_ms, random_predictor(space, rng), rng, brief)
        subnetwork = found.subnetwork
    extracted = extract(random_supernet(SPEC), subnetwork)
    images = [random_image(97, rng) for _ in range(8)]
    return recalibrate(extracted, calibration_batches(images, extracted.resolution))


def test_the_files_compute_what_torch_computes(network: Network) -> None:
    images = random_images(1, network.resolution)
    want, deployed = network.run(images), network.deployed()
    for run, write in ((run_litert, tflite_bytes), (run_onnxruntime, onnx_bytes)):
        logits = torch.from_numpy(run(write(deployed), {"input": images.numpy()}))
        assert relative_difference(logits, want) <= TOLERANCE


def test_it_runs_fully_on_xnnpack(network: Network) -> None:
    fully, kinds = delegated_and_kinds(tflite_bytes(network.deployed()))
    assert fully
    assert kinds["MAX_POOL_2D"] == 1
    assert kinds["AVERAGE_POOL_2D"] == 3
    assert kinds["TRANSPOSE"] == kinds["RESHAPE"] == 0


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_it_loads_in_other_data_types(network: Network, dtype: str) -> None:
    deployed = graph_with_dtype(network.deployed(), dtype)
    fully, _ = delegated_and_kinds(tflite_bytes(deployed))
    assert fully
    optimised(onnx_bytes(deployed))
