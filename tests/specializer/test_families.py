"""What every family of supernets promises, those that will be added included."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sartor.specializer.checkpoint import Checkpoint, load_supernet, save_supernet
from sartor.specializer.cli.train import _regions
from sartor.specializer.description import read_description
from sartor.specializer.export import export
from sartor.specializer.extract import extract
from sartor.specializer.network import BatchStatisticsNorm
from sartor.specializer.own import check_graphs
from sartor.specializer.shipped import ACCURACY, find_spec, part_of
from sartor.specializer.specialization import Specialization, load_specialization
from sartor.specializer.specialize import Budget, Demand, Specializer
from sartor.specializer.supernets.elastic import ElasticMobileNetV3, ElasticSupernet
from sartor.specializer.supernets.families import FAMILIES, find_family, likeliest_family
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.specializer.supernets.proxylessnas import ProxylessNAS
from sartor.specializer.supernets.resnet50 import ResNet50
from sartor.specializer.supernets.supernet import MAX_CLASSES, SupernetSpec
from sartor.specializer.train.recipe import Recipe
from sartor.specializer.train.recipe_file import load_recipe
from sartor.specializer.train.start import start
from sartor.tables.errors import CheckpointError, FormatError, UnknownNameError

from .made_up_tables import made_up_table, plain_us
from .test_specialization import CHOICE
from .torch_tools import draw_images, random_images, random_supernet
from .toy import fit_ridge

LABELS = ("cat", "dog", "owl")
SMALL_ONES: list[SupernetSpec] = [
    MobileNetV3(0.25, 3, (32, 48)),
    ProxylessNAS(0.25, 3, (32, 48)),
    ResNet50(0.25, 3, (32, 48)),
]
names = pytest.mark.parametrize("name", sorted(FAMILIES))
small_ones = pytest.mark.parametrize("spec", SMALL_ONES, ids=lambda spec: spec.family)


@names
def test_a_spec_follows_from_what_a_file_says_of_it(name: str) -> None:
    spec = find_family(name).published()
    assert spec.family == name
    other = FAMILIES[name].describe(spec.settings, 7, [64, 32, 64])
    assert (other.classes, other.resolutions, other.settings) == (7, (32, 64), spec.settings)
    assert FAMILIES[name].describe(spec.settings, spec.classes, spec.resolutions) == spec


@names
def test_a_spec_follows_from_its_tensors(name: str) -> None:
    spec = find_family(name).published()
    assert FAMILIES[name].infer(spec.state_shapes()) == spec
    assert likeliest_family(spec.state_shapes()) is FAMILIES[name]
    for shapes in ({}, dict.fromkeys(spec.state_shapes(), ()), dict.fromkeys("abc", (3, 3))):
        with pytest.raises(FormatError):
            FAMILIES[name].infer(shapes)


@names
@pytest.mark.parametrize(
    ("settings", "classes", "resolutions"),
    [({"nonsense": 1.0}, 3, [64]), (None, 0, [64]), (None, MAX_CLASSES + 1, [64]), (None, 3, [])],
)
def test_descriptions_that_make_no_sense(
    name: str, settings: dict[str, float] | None, classes: int, resolutions: list[int]
) -> None:
    family = FAMILIES[name]
    with pytest.raises(FormatError):
        family.describe(settings or family.published().settings, classes, resolutions)


@names
def test_stem_blocks_and_head_are_the_network(name: str) -> None:
    check_graphs(FAMILIES[name].published())


@names
@torch.inference_mode()
def test_random_weights_compute_finite_logits(name: str) -> None:
    published = FAMILIES[name].published()
    spec = FAMILIES[name].describe(published.settings, 3, [32])
    supernet = ElasticSupernet(spec)
    assert {n: tuple(v.shape) for n, v in supernet.state_dict().items()} == spec.state_shapes()
    logits = supernet(random_images(2, 32), spec.space.smallest)
    assert logits.shape == (2, 3)
    assert logits.isfinite().all()


def test_a_family_that_is_not_known() -> None:
    with pytest.raises(UnknownNameError, match=r"no family of supernets 'resnet'"):
        find_family("resnet")


@small_ones
def test_a_supernet_of_any_family_survives_its_file(spec: SupernetSpec, tmp_path: Path) -> None:
    checkpoint = Checkpoint("any", random_supernet(spec), LABELS)
    save_supernet(checkpoint, tmp_path / "any.safetensors")
    assert read_description(tmp_path / "any.safetensors").spec == spec
    loaded = load_supernet(tmp_path / "any.safetensors").supernet
    for name, value in checkpoint.supernet.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value.half().float())


@small_ones
@torch.inference_mode()
def test_a_network_of_any_family_survives_its_folder(spec: SupernetSpec, tmp_path: Path) -> None:
    network = extract(random_supernet(spec), spec.space.smallest)
    assert network.eps == spec.batch_norm_eps
    origin = type(CHOICE.origin).of("any", spec, LABELS)
    choice = replace(CHOICE, origin=origin, subnetwork=network.graph.name)
    Specialization(choice, network).save(tmp_path)
    loaded = load_specialization(tmp_path)
    assert (loaded.choice, loaded.choice.origin.spec) == (choice, spec)
    images = random_images(2, 32)
    assert torch.equal(loaded.network.run(images), network.run(images))


@small_ones
def test_a_supernet_of_any_family_is_specialized(spec: SupernetSpec, tmp_path: Path) -> None:
    weights, rng = tmp_path / "any.pth", np.random.default_rng(0)
    torch.save(random_supernet(spec).state_dict(), weights)
    spec = find_spec(str(weights))
    population = np.unique(spec.space.random(80, rng), axis=0)
    accuracies = 0.5 + 0.01 * population.mean(axis=1) + rng.normal(0, 0.002, len(population))
    fit_ridge(spec.space, population, accuracies, rng).predictor.save(part_of(weights, ACCURACY))
    photos = draw_images(tmp_path / "photos", ("0", "1", "2"), 3)
    specializer = Specializer.open(str(weights))
    aim = specializer.aim(made_up_table(spec, "made-up", plain_us))
    demand = Demand((Budget(aim, aim.usual_budget_ms),))
    found = specializer.search(demand, 0)
    specializer.realize(found, demand, 0, photos).save(tmp_path / "out")
    loaded = load_specialization(tmp_path / "out")
    assert loaded.choice.origin.family == spec.family
    assert loaded.choice.subnetwork == spec.space.text(found.subnetwork)
    (artefact,) = export(loaded.network, tmp_path / "out", ["onnxruntime"])
    assert artefact.size_bytes > 4 * loaded.choice.parameters


@small_ones
def test_weights_have_the_names_and_shapes_of_the_graph(spec: SupernetSpec) -> None:
    supernet = random_supernet(spec)
    for row in spec.space.random(20, np.random.default_rng(0)).tolist():
        network = extract(supernet, tuple(row))  # folding looks every weight up, and checks it
        assert network.deployed().weights.keys() == network.graph.weight_shapes.keys()
        supernet(random_images(2, 32), (0, *row[1:]), BatchStatisticsNorm(spec.batch_norm_eps))


def test_training_knows_one_family_and_says_so(tmp_path: Path) -> None:
    spec = SMALL_ONES[1]
    save_supernet(Checkpoint("any", random_supernet(spec), LABELS), tmp_path / "any.safetensors")
    supernet = ElasticMobileNetV3(MobileNetV3(0.25, 3, (32, 48)))
    said = r"any.safetensors is of the family proxylessnas, and only mobilenet_v3 can be trained"
    with pytest.raises(CheckpointError, match=said):
        start(supernet, str(tmp_path / "any.safetensors"), LABELS)
    recipe: Recipe = load_recipe("smoke")
    with pytest.raises(CheckpointError, match=said):
        _regions(recipe, tmp_path / "any.safetensors", "resolution")


def test_specs_need_no_torch() -> None:
    program = """
import sys
from sartor.specializer.supernets.families import FAMILIES
for family in FAMILIES.values():
    spec = family.published()
    spec.graph(spec.space.largest)
    family.infer(spec.state_shapes())
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)
