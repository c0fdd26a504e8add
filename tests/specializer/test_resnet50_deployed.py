"""From a ResNet50 supernet to files that run: every step that a user's network takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter

from sartor.profiler.writers.onnx import onnx_bytes
from sartor.profiler.writers.tflite import tflite_bytes
from sartor.specializer.calibration_set import calibration_batches, contact_sheet
from sartor.specializer.checkpoint import Checkpoint, save_supernet
from sartor.specializer.cost import compile_cost
from sartor.specializer.export import export
from sartor.specializer.extract import extract
from sartor.specializer.network import Network
from sartor.specializer.recalibrate import recalibrate
from sartor.specializer.search.evolution import search
from sartor.specializer.search.problem import Limit, Problem
from sartor.specializer.shipped import ACCURACY, CALIBRATION, part_of
from sartor.specializer.specialization import load_specialization
from sartor.specializer.specialize import Budget, Demand, Specializer
from sartor.specializer.supernets.resnet50 import ResNet50
from sartor.tables.dtypes import graph_with_dtype
from sartor.tables.kinds import multiply_adds

from ..profiler.test_writers import delegated_and_kinds, run_litert, run_onnxruntime
from ..profiler.test_writers_dtypes import optimised
from .chain import random_image
from .made_up_tables import made_up_table, plain_us
from .torch_tools import random_images, random_supernet, relative_difference
from .toy import fit_ridge, random_predictor

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
        limits = (Limit("latency", "ms", cost, budget_ms),)
        problem = Problem(space, random_predictor(space, rng, hidden=(20,)), limits)
        subnetwork = search(problem, rng).subnetwork
    extracted = extract(random_supernet(SPEC), subnetwork)
    images = [random_image(97, rng) for _ in range(8)]
    return recalibrate(extracted, calibration_batches(images, extracted.resolution))


def test_the_files_compute_what_torch_computes(network: Network) -> None:
    images = random_images(1, network.resolution)
    want, deployed = network.run(images), network.deployed()
    for run, write in ((run_litert, tflite_bytes), (run_onnxruntime, onnx_bytes)):
        logits = torch.from_numpy(run(write(deployed), {"input": images.numpy()}))
        assert relative_difference(logits, want) <= TOLERANCE


def test_a_file_of_it_is_specialised_by_a_table(tmp_path: Path) -> None:
    supernet, rng = random_supernet(SPEC), np.random.default_rng(0)
    path = tmp_path / "small.safetensors"
    save_supernet(Checkpoint("small", supernet, tuple("abcdefghij")), path)
    images = [random_image(SPEC.resolutions[-1], rng) for _ in range(40)]
    contact_sheet(images, 8).save(part_of(path, CALIBRATION), quality=90)
    population = np.unique(SPEC.space.random(60, rng), axis=0)
    accuracies = 0.5 + 1e-5 * population.mean(axis=1) + rng.normal(0, 0.002, len(population))
    fit_ridge(SPEC.space, population, accuracies, rng).predictor.save(part_of(path, ACCURACY))

    specializer = Specializer.open(str(path))
    aim = specializer.aim(made_up_table(SPEC, "made-up", plain_us))
    budget_ms = aim.usual_budget_ms
    demand = Demand((Budget(aim, budget_ms),))
    found = specializer.search(demand, seed=0)
    made = specializer.realize(found, demand, seed=0, data=None)
    assert made.choice.latency.high_ms <= budget_ms
    assert made.choice.subnetwork == SPEC.space.text(found.subnetwork)
    made.save(tmp_path / "out")
    again = load_specialization(tmp_path / "out")
    images_in = random_images(1, made.network.resolution)
    assert torch.equal(again.network.run(images_in), made.network.run(images_in))
    written = export(again.network, tmp_path / "out", ["onnxruntime", "litert"])
    assert all(one.path.stat().st_size == one.size_bytes > 0 for one in written)


def test_it_runs_fully_on_xnnpack(network: Network) -> None:
    fully, kinds = delegated_and_kinds(tflite_bytes(network.deployed()))
    assert fully
    assert kinds["MAX_POOL_2D"] == 1
    assert kinds["AVERAGE_POOL_2D"] == 3
    assert kinds["TRANSPOSE"] == kinds["RESHAPE"] == 0


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_it_loads_in_other_data_types(network: Network, dtype: str) -> None:
    deployed = graph_with_dtype(network.deployed(), dtype)
    content = tflite_bytes(deployed)
    fully, kinds = delegated_and_kinds(content)
    # XNNPACK averages no integers (LiteRT's own kernels do), so they part what it computes.
    assert fully == (dtype == "float16")
    assert delegates(content) == (1 if fully else 1 + kinds["AVERAGE_POOL_2D"])
    optimised(onnx_bytes(deployed))


def delegates(content: bytes) -> int:
    """Count the parts that XNNPACK computes."""
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    return sum(one["op_name"] == "DELEGATE" for one in interpreter._get_ops_details())
