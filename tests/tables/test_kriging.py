from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sartor.tables.kriging import Kriging, NoisePrior
from sartor.tables.student import student_t

Floats = NDArray[np.float64]
PRIOR = NoisePrior(0.02, 1)


def kriged(places: Floats, values: Floats) -> Kriging:
    return Kriging(places, values, lambda at: np.exp(-at), PRIOR)


def test_a_smooth_curve_is_followed_between_its_points() -> None:
    places = np.linspace(0, 4, 14)
    found, scales = kriged(places, np.sin(places)).predict(np.array([0.5, 1.7, 3.3]))
    assert found == pytest.approx(np.sin([0.5, 1.7, 3.3]), abs=0.01)
    assert max(scales) < 0.05


def test_far_from_all_points_it_knows_less() -> None:
    rng = np.random.default_rng(0)
    places = np.linspace(0, 1, 10)
    values = 3 + 0.5 * places + rng.normal(0, 0.01, 10)
    _, scales = kriged(places, values).predict(np.array([0.5, 2.0, 8.0]))
    assert scales[0] < scales[1] < scales[2]


def test_adding_a_constant_changes_nothing_else() -> None:
    rng = np.random.default_rng(1)
    places, values = rng.uniform(0, 3, 8), rng.normal(0, 0.1, 8)
    wanted = np.array([-1.0, 0.5, 9.0])
    one, other = (kriged(places, values + shift).predict(wanted) for shift in (0.0, 100.0))
    assert other[0] - 100 == pytest.approx(one[0], abs=1e-9)
    assert other[1] == pytest.approx(one[1], rel=1e-6)


def test_pure_noise_is_held_as_often_as_promised() -> None:
    rng = np.random.default_rng(2)
    places, held = np.linspace(0, 2, 10), []
    for _ in range(100):
        kriging = kriged(places, rng.normal(5, 0.03, 10))
        middles, scales = kriging.predict(np.full(1, 1.1))
        new = rng.normal(5, 0.03, 200)
        held.append(np.mean(abs(new - middles) <= student_t(0.9, kriging.degrees) * scales))
    assert 0.85 <= np.mean(held) <= 0.97


def test_a_multiple_of_the_trend_goes_on_beyond_the_points() -> None:
    places = np.linspace(0, 2, 10)
    (found,), (scale,) = kriged(places, 0.2 - 0.5 * np.exp(-places)).predict(np.array([-1.0]))
    assert found == pytest.approx(0.2 - 0.5 * np.e, abs=3 * scale)
    assert scale < 0.25
