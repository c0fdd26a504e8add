from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sartor.specializer.accuracy.adam import Adam
from sartor.specializer.accuracy.bagging import train_ensemble
from sartor.specializer.accuracy.comparator import Comparator
from sartor.specializer.accuracy.comparing import train_comparator
from sartor.specializer.accuracy.features import one_hot
from sartor.specializer.space import Population

from .toy import random_predictor, space_of

SPACE = space_of(2, ((3, 3, 3), 2), ((3, 3, 3), 1))
FOLD: NDArray[np.intp] = np.zeros(0, np.intp)


def known() -> tuple[Population, NDArray[np.float64]]:
    rng = np.random.default_rng(0)
    population = np.unique(SPACE.random(60, rng), axis=0)
    return population, random_predictor(SPACE, rng).predict(population).astype(float)


@pytest.fixture(scope="module")
def comparator() -> Comparator:
    return train_comparator(SPACE, *known(), FOLD, np.random.default_rng(1))


def test_swapping_a_pair_swaps_the_odds(comparator: Comparator) -> None:
    one, other = np.split(SPACE.random(40, np.random.default_rng(2)), 2)
    forth, back = comparator.log_odds(one, other), comparator.log_odds(other, one)
    assert forth == pytest.approx(-back.T, abs=1e-4)
    assert np.abs(np.diag(comparator.log_odds(one, one))).max() < 1e-4


def test_the_better_of_a_pair_is_told(comparator: Comparator) -> None:
    population, accuracies = known()
    better = accuracies[:, None] > accuracies
    apart = np.abs(accuracies[:, None] - accuracies) > 0.2 * accuracies.std()
    odds = comparator.log_odds(population, population)
    assert ((odds > 0) == better)[apart].mean() > 0.95


def test_it_learns_from_nothing_but_the_order() -> None:
    population, accuracies = known()
    bent = 1 / (1 + np.exp(-5 * accuracies))
    one, other = (
        train_comparator(SPACE, population, told, FOLD, np.random.default_rng(1))
        for told in (accuracies, bent)
    )
    assert np.array_equal(one.mean_log_odds(population), other.mean_log_odds(population))
    assert not np.array_equal(one.predict(population), other.predict(population))


def test_answers_rise_with_the_odds_and_beyond_them(comparator: Comparator) -> None:
    unseen = SPACE.random(500, np.random.default_rng(3))
    odds = comparator.mean_log_odds(unseen)
    order = np.argsort(odds)
    assert (np.diff(comparator.predict(unseen)[order]) >= 0).all()
    (low, *_, high), (least, *_, most) = comparator.scale
    assert odds.max() > high
    assert comparator.predict(unseen).max() > most
    assert odds.min() < low
    assert comparator.predict(unseen).min() < least


def test_equal_accuracies_teach_nothing() -> None:
    population, accuracies = known()
    comparator = train_comparator(
        SPACE, population, np.full_like(accuracies, 0.7), FOLD, np.random.default_rng(1)
    )
    assert comparator.predict(population) == pytest.approx(np.full(len(population), 0.7), abs=1e-3)


def test_an_ensemble_is_its_members_written_out() -> None:
    ensemble = train_ensemble(SPACE, *known(), FOLD, np.random.default_rng(1))
    population = SPACE.random(20, np.random.default_rng(4))
    told = []
    for member in range(len(ensemble.bias)):
        features = one_hot(SPACE, population).astype(float)
        hidden = features @ ensemble.hidden[member] + ensemble.hidden_bias[member]
        answer = np.maximum(hidden, 0) @ ensemble.out[member] + features @ ensemble.linear[member]
        told.append(ensemble.mean + ensemble.deviation * (answer + ensemble.bias[member]))
    predicted, deviations = ensemble.predict_with_deviation(population)
    assert predicted == pytest.approx(np.mean(told, axis=0), abs=1e-4)
    expected = np.sqrt(np.var(told, axis=0) + ensemble.noise**2)
    assert deviations == pytest.approx(expected, abs=1e-4)
    assert np.std(told, axis=0).min() > 0


def test_adam_finds_the_bottom_of_a_valley() -> None:
    adam, place = Adam(0.05), np.array([3.0, -2.0])
    (first,) = adam.step([place], [2 * place * np.array([1.0, 100.0])])
    assert first == pytest.approx(place - 0.05 * np.sign(place))
    for _ in range(600):
        adam.rate *= 0.99
        (place,) = adam.step([place], [2 * place * np.array([1.0, 100.0])])
    assert place == pytest.approx([0, 0], abs=0.05)
