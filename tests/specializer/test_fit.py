from __future__ import annotations

from itertools import combinations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from sartor.specializer.accuracy.fit import kendall_tau
from sartor.specializer.space import Population
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.tables.errors import FormatError

from .toy import fit_ridge, random_predictor, space_of

SPACE = space_of(2, ((3, 3, 3, 3), 2), ((3, 3, 3), 1))


def different(count: int, rng: np.random.Generator) -> Population:
    """Draw networks of which no two are the same."""
    return rng.permutation(np.unique(SPACE.random(10 * count, rng), axis=0))[:count]


def test_an_additive_accuracy_is_learnt() -> None:
    rng = np.random.default_rng(0)
    truth = random_predictor(SPACE, rng)
    population = different(600, rng)
    fit = fit_ridge(SPACE, population, truth.predict(population).astype(float), rng)
    unseen = different(200, rng)
    assert fit.networks == 600
    assert fit.kendall_tau > 0.99
    assert fit.predictor.predict(unseen) == pytest.approx(truth.predict(unseen), abs=0.01)


def test_held_out_figures_foretell_the_error_on_unseen_networks() -> None:
    rng = np.random.default_rng(1)
    truth = random_predictor(SPACE, rng, hidden=(50,))
    population, unseen = different(500, rng), different(2000, rng)
    fit = fit_ridge(SPACE, population, truth.predict(population).astype(float), rng)
    predicted, actual = fit.predictor.predict(unseen), truth.predict(unseen)
    assert fit.kendall_tau == pytest.approx(kendall_tau(predicted, actual), abs=0.05)
    assert fit.mean_absolute_error == pytest.approx(np.abs(predicted - actual).mean(), rel=0.15)


def test_noise_is_not_learnt() -> None:
    rng = np.random.default_rng(2)
    accuracies = rng.uniform(0.6, 0.8, 300)
    fit = fit_ridge(SPACE, different(300, rng), accuracies, rng)
    assert abs(fit.kendall_tau) < 0.1
    assert np.ptp(fit.predictor.predict(different(100, rng))) < 0.05


def test_the_same_randomness_gives_the_same_fit() -> None:
    population = different(100, np.random.default_rng(3))
    accuracies = population.mean(axis=1) / 10
    one, other = (
        fit_ridge(SPACE, population, accuracies, np.random.default_rng(4)) for _ in range(2)
    )
    assert one.kendall_tau == other.kendall_tau
    assert np.array_equal(one.predictor.layers[0].weight, other.predictor.layers[0].weight)


def test_what_cannot_teach_is_refused() -> None:
    rng = np.random.default_rng(5)
    population, accuracies = different(50, rng), rng.uniform(size=50)
    with pytest.raises(FormatError, match="at least 20"):
        fit_ridge(SPACE, population[:19], accuracies[:19], rng)
    with pytest.raises(FormatError, match="49 accuracies"):
        fit_ridge(SPACE, population, accuracies[:49], rng)
    with pytest.raises(FormatError, match="twice"):
        fit_ridge(SPACE, population[[0, *range(49)]], accuracies, rng)
    for useless in (np.full(50, 0.7), np.full(50, np.nan)):
        with pytest.raises(FormatError, match="nothing to learn"):
            fit_ridge(SPACE, population, useless, rng)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=30))
def test_kendall_tau_counts_pairs(values: list[tuple[int, int]]) -> None:
    first, second = np.array(values, float).T
    agree = untied_first = untied_second = 0
    for one, other in combinations(values, 2):
        a, b = np.sign(one[0] - other[0]), np.sign(one[1] - other[1])
        agree, untied_first, untied_second = (
            agree + a * b,
            untied_first + a * a,
            untied_second + b * b,
        )
    expected = agree / np.sqrt(untied_first * untied_second) if untied_first * untied_second else 0
    assert kendall_tau(first, second) == pytest.approx(expected)


def test_kendall_tau_of_known_rankings() -> None:
    ascending = np.arange(10.0)
    assert kendall_tau(ascending, ascending**3) == 1
    assert kendall_tau(ascending, -ascending) == -1
    assert kendall_tau(ascending, np.zeros(10)) == 0


def test_what_choices_have_in_common_is_learnt_from_few_networks() -> None:
    rng, space = np.random.default_rng(6), MobileNetV3(resolutions=(96, 128)).space
    worth = {"k3": 0.0, "k5": 0.002, "k7": 0.003, "e3": 0.0, "e4": 0.004, "e6": 0.007}

    def accuracies(population: Population) -> list[float]:
        texts = [space.text(tuple(row)) for row in population.tolist()]
        return [0.6 + sum(worth[t] * text.count(t) for t in worth) for text in texts]

    few, unseen = np.unique(space.random(60, rng), axis=0), space.random(300, rng)
    fit = fit_ridge(space, few, np.array(accuracies(few)), rng)
    assert kendall_tau(fit.predictor.predict(unseen), np.array(accuracies(unseen))) > 0.93
