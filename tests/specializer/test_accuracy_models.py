from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sartor.specializer.accuracy.fit import kendall_tau
from sartor.specializer.accuracy.models import (
    BEST_MODEL,
    DEFAULT_MODEL,
    MODELS,
    find_model,
    fit_model,
)
from sartor.specializer.accuracy.predictor import (
    MlpPredictor,
    StoredPredictor,
    UncertainPredictor,
)
from sartor.specializer.accuracy.stored import load_predictor
from sartor.specializer.shipped import find_spec, find_supernet
from sartor.specializer.space import Population
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.tables.errors import CheckpointError, OutputError, UnknownNameError

SPACE = MobileNetV3(resolutions=(96, 128)).space
WORTH = {"k3": 0.0, "k5": 0.002, "k7": 0.003, "e3": 0.0, "e4": 0.004, "e6": 0.007}
NOISE = 0.002

Floats = NDArray[np.float64]


def truth(population: Population) -> Floats:
    """Accuracies that follow from the choices, and rise ever less with their number."""
    texts = [SPACE.text(tuple(row)) for row in population.tolist()]
    sums = np.array([sum(WORTH[t] * text.count(t) for t in WORTH) for text in texts])
    accuracies: Floats = 0.8 - 0.3 * np.exp(-15 * sums) + 0.02 * population[:, 0]
    return accuracies


def drawn(count: int, seed: int) -> Population:
    return np.unique(SPACE.random(count, np.random.default_rng(seed)), axis=0)


def trained(model: str, count: int = 80, seed: int = 0) -> StoredPredictor:
    population, rng = drawn(count, seed), np.random.default_rng(seed)
    noisy = truth(population) + rng.normal(0, NOISE, len(population))
    fold: NDArray[np.intp] = np.arange(len(population)) % 5
    return find_model(model)(SPACE, population, noisy, fold, rng)


@pytest.fixture(scope="module", params=list(MODELS))
def predictor(request: pytest.FixtureRequest) -> StoredPredictor:
    return trained(request.param)


def test_few_networks_teach_what_choices_have_in_common(predictor: StoredPredictor) -> None:
    unseen = drawn(400, 1)
    predicted = predictor.predict(unseen)
    assert predicted.dtype == np.float32
    assert kendall_tau(predicted, truth(unseen)) > 0.82
    assert np.abs(predicted - truth(unseen)).mean() < 0.006


def test_a_saved_predictor_predicts_the_same(predictor: StoredPredictor, tmp_path: Path) -> None:
    predictor.save(tmp_path / "accuracy.npz")
    loaded = load_predictor(tmp_path / "accuracy.npz", SPACE)
    assert type(loaded) is type(predictor)
    unseen = drawn(3000, 2)
    assert np.array_equal(loaded.predict(unseen), predictor.predict(unseen))
    loaded.save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "accuracy.npz").read_bytes()
    with pytest.raises(CheckpointError, match="another search space"):
        load_predictor(tmp_path / "accuracy.npz", MobileNetV3(resolutions=(96, 160)).space)
    with pytest.raises(OutputError):
        predictor.save(tmp_path / "accuracy.npz" / "accuracy.npz")


def test_batches_do_not_matter(predictor: StoredPredictor) -> None:
    unseen = drawn(2100, 3)
    apart = np.concatenate([predictor.predict(part) for part in np.array_split(unseen, 7)])
    assert apart == pytest.approx(predictor.predict(unseen), abs=1e-6)
    assert predictor.predict(unseen[:0]).shape == (0,)


@pytest.mark.parametrize("model", MODELS)
def test_the_same_randomness_trains_the_same(model: str) -> None:
    unseen = drawn(50, 4)
    one, other = (trained(model, 30).predict(unseen) for _ in range(2))
    assert np.array_equal(one, other)


@pytest.mark.parametrize("model", MODELS)
def test_networks_of_one_resolution_are_enough(model: str) -> None:
    """Nothing varies with the resolution, so nothing is known of how accuracies do."""
    space, rng = MobileNetV3(resolutions=(96, 112, 128, 144)).space, np.random.default_rng(7)
    networks = drawn(240, 7)
    networks[:, 0] = 1
    known, unseen = np.split(rng.permutation(np.unique(networks, axis=0)), [120])
    fold: NDArray[np.intp] = np.arange(len(known)) % 5
    predictor = find_model(model)(space, known, truth(known), fold, rng)
    assert kendall_tau(predictor.predict(unseen), truth(unseen)) > 0.82
    unseen[:, 0] = 3
    assert np.isfinite(predictor.predict(unseen)).all()


@pytest.mark.parametrize("model", ["gp", "mlp"])
def test_deviations_hold_what_they_promise(model: str) -> None:
    predictor = trained(model)
    assert isinstance(predictor, UncertainPredictor)
    unseen, rng = drawn(600, 5), np.random.default_rng(5)
    predicted, deviations = predictor.predict_with_deviation(unseen)
    assert np.array_equal(predicted, predictor.predict(unseen))
    measured = truth(unseen) + rng.normal(0, NOISE, len(unseen))
    within = np.abs(measured - predicted) < 1.645 * deviations
    assert 0.8 < within.mean() < 0.99


def damage(path: Path, change: Callable[[dict[str, NDArray[np.generic]]], None]) -> None:
    with np.load(path) as file:
        arrays = dict(file)
    change(arrays)
    np.savez(path, **arrays)


def test_arrays_that_do_not_fit_are_refused(predictor: StoredPredictor, tmp_path: Path) -> None:
    path = tmp_path / "accuracy.npz"
    predictor.save(path)
    with np.load(path) as file:
        numbers = [name for name, array in file.items() if array.dtype.kind == "f"]
    assert numbers
    for name in numbers:
        for wrong in (np.full_like, lambda array, _: array.ravel()[1:]):

            def change(
                arrays: dict[str, NDArray[np.generic]],
                name: str = name,
                wrong: Callable[..., NDArray[np.generic]] = wrong,
            ) -> None:
                arrays[name] = wrong(arrays[name], np.nan)

            predictor.save(path)
            damage(path, change)
            with pytest.raises(CheckpointError):
                load_predictor(path, SPACE)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "accuracy.npz"
    trained("gp", 30).save(path)
    with pytest.raises(CheckpointError, match="it holds a gaussian process"):
        MlpPredictor.load(path, SPACE)
    damage(path, lambda arrays: arrays.update(kind=np.array("oracle")))
    with pytest.raises(CheckpointError, match="does not know, 'oracle'; update Sartor"):
        load_predictor(path, SPACE)
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(CheckpointError, match="no readable accuracy predictor"):
        load_predictor(path, SPACE)


def test_the_first_predictors_are_still_read() -> None:
    name = "ofa-mbv3-imagenette"
    path, space = find_supernet(name).accuracy, find_spec(name).space
    assert path is not None
    predictor = load_predictor(path, space)
    ends = predictor.predict(np.array([space.smallest, space.largest], np.int16))
    assert 0.5 < ends[0] < ends[1] < 1


def test_the_best_model_is_kept_and_all_are_told() -> None:
    population = drawn(60, 6)
    accuracies, judged = truth(population), np.ones(len(population), bool)
    judged[:10] = False
    chosen = fit_model(BEST_MODEL, SPACE, population, accuracies, 0, judged, accuracies)
    assert list(chosen.compared) == list(MODELS)
    taus = {name: found.kendall_tau for name, found in chosen.compared.items()}
    assert taus[chosen.model] == max(taus.values()) == chosen.fit.kendall_tau
    assert {found.networks for found in chosen.compared.values()} == {len(population) - 10}
    named = fit_model("ridge", SPACE, population, accuracies, 0, judged, accuracies)
    assert named.model == "ridge"
    assert named.compared == {"ridge": chosen.compared["ridge"]}


def test_an_unknown_model_names_its_neighbour() -> None:
    with pytest.raises(UnknownNameError, match=r"'ridg'; did you mean 'ridge'\? known: .*best"):
        find_model("ridg")
    assert DEFAULT_MODEL in MODELS
