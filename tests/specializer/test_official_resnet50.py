from __future__ import annotations

from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sartor.specializer.accuracy.official_resnet50 import RESOLUTIONS, load_official_resnet50
from sartor.specializer.space import ABSENT
from sartor.specializer.supernets.resnet50 import DEPTHS, EXPANSIONS, ResNet50
from sartor.tables.errors import CheckpointError, FormatError

from .ofa_reference import _import_ofa_networks

torch = pytest.importorskip("torch")

SPEC = ResNet50(resolutions=RESOLUTIONS)
FILE = Path("ofa") / "ofa_resnet50_acc_predictor.pth"


def published_features(rows: list[list[int]]) -> NDArray[np.float32]:
    """Encode as the PyPI package ``ofa`` does."""
    _import_ofa_networks()
    from ofa.nas.accuracy_predictor.arch_encoder import ResNetArchEncoder

    encoder = ResNetArchEncoder(image_size_list=list(RESOLUTIONS))
    features = []
    for context, stem_block, *choices in rows:
        resolution, *widths = SPEC.space.axis_places()[context].tolist()
        taken = iter(choices)
        depths = [sum(c != ABSENT for c in islice(taken, most)) - least for least, most in DEPTHS]
        described = {
            "image_size": RESOLUTIONS[resolution],
            "d": [2 if stem_block else 0, *depths],
            "e": [EXPANSIONS[choice - 1] for choice in choices],  # absent ones are not read
            "w": widths,
        }
        features.append(encoder.arch2feature(described))
    return np.array(features, np.float32)


@pytest.mark.data
def test_answers_are_those_of_the_published_layers(data_folder: Path) -> None:
    state = torch.load(data_folder / FILE, map_location="cpu", weights_only=True)
    sizes = [82, 400, 400, 400]
    layers = [
        layer
        for inputs, outputs in pairwise(sizes)
        for layer in (torch.nn.Linear(inputs, outputs), torch.nn.ReLU())
    ]
    published = torch.nn.Sequential(*layers, torch.nn.Linear(400, 1, bias=False))
    names = ["layers.0.0", "layers.1.0", "layers.2.0", "layers.3"]
    renamed = {
        f"{2 * index}.{part}": state[f"{name}.{part}"]
        for index, name in enumerate(names)
        for part in ("weight", "bias")
        if f"{name}.{part}" in state
    }
    published.load_state_dict(renamed)
    population = SPEC.space.random(500, np.random.default_rng(0))
    features = torch.from_numpy(published_features(population.tolist()))
    with torch.no_grad():
        expected = (published(features)[:, 0] + state["base_acc"]).numpy()
    predicted = load_official_resnet50(data_folder / FILE, SPEC).predict(population)
    assert predicted == pytest.approx(expected, abs=1e-5)


@pytest.mark.data
def test_higher_resolutions_and_wider_stages_are_better_on_average(data_folder: Path) -> None:
    predictor = load_official_resnet50(data_folder / FILE, SPEC)
    genes = SPEC.space.genes(SPEC.space.random(300, np.random.default_rng(0)))
    for axis, described in enumerate(SPEC.space.context_axes):
        means = []
        for place in range(len(described.labels)):
            genes[:, axis] = place
            means.append(float(predictor.predict(SPEC.space.networks(genes)).mean()))
        if described.name == "resolution":  # it was trained at 128 to 224 pixels
            assert means[:6] == sorted(means[:6])
        elif described.name.startswith("stage"):
            assert means == sorted(means)


@pytest.mark.data
def test_a_resolution_that_it_never_learnt_is_refused(data_folder: Path) -> None:
    with pytest.raises(FormatError, match=r"\[208\]"):
        load_official_resnet50(data_folder / FILE, ResNet50())


@pytest.mark.data
def test_another_predictor_is_refused(data_folder: Path) -> None:
    with pytest.raises(CheckpointError, match="official"):
        load_official_resnet50(data_folder / "ofa" / "acc_predictor.pth", SPEC)
