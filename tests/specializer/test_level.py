from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sartor.specializer.accuracy.level import levelled, series_offsets
from sartor.specializer.evaluation_table import read_evaluations
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3

from .toy import random_predictor, space_of

SPACE = space_of(2, ((3, 3, 3), 2), ((3, 3, 3), 1))


def test_how_easy_images_were_is_told_from_what_networks_are_worth() -> None:
    rng = np.random.default_rng(0)
    population = np.unique(SPACE.random(300, rng), axis=0)
    truth = random_predictor(SPACE, rng).predict(population).astype(float)
    better = truth > np.median(truth)  # the easier images judge better networks
    series = np.where(rng.random(len(truth)) < np.where(better, 0.8, 0.2), "easy", "hard").tolist()
    eased = truth + 0.03 * (np.array(series) == "easy")
    offsets = series_offsets(SPACE, population, eased, series)
    assert offsets["easy"] - offsets["hard"] == pytest.approx(0.03, abs=0.003)
    level = levelled(SPACE, population, eased, series)
    assert level.mean() == pytest.approx(eased.mean())
    assert level - truth == pytest.approx(np.full(len(truth), (level - truth).mean()), abs=0.003)


def test_one_series_is_left_as_it_is() -> None:
    population = np.unique(SPACE.random(30, np.random.default_rng(1)), axis=0)
    accuracies = np.linspace(0.6, 0.7, len(population))
    assert levelled(SPACE, population, accuracies, ["a"] * len(population)) == pytest.approx(
        accuracies
    )


def test_a_table_may_tell_on_which_images_networks_were_judged(tmp_path: Path) -> None:
    space, rng = MobileNetV3(resolutions=(96, 128)).space, np.random.default_rng(2)
    population = np.unique(space.random(120, rng), axis=0)
    truth = 0.7 + 0.001 * np.count_nonzero(population[:, 1:], axis=1) + 0.02 * population[:, 0]
    rows = [
        f"{space.text(tuple(row))},{accuracy + 0.05 * (index % 2)},{'ab'[index % 2]}"
        for index, (row, accuracy) in enumerate(zip(population.tolist(), truth, strict=True))
    ]
    path = tmp_path / "e.csv"
    path.write_text("\n".join(["subnetwork,top1,series", *rows]))
    found = read_evaluations(path, space)
    assert np.array_equal(found.population, population)
    assert found.top1 - truth == pytest.approx(np.full(len(truth), 0.025), abs=0.002)
    assert np.array_equal(found.targets, found.top1)
