from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.specializer.accuracy.denoise import Floats, denoised

IMAGES = 1000


def counted(truth: Floats, rng: np.random.Generator) -> Floats:
    """Let networks of known accuracies answer images."""
    return rng.binomial(IMAGES, truth) / IMAGES


def error(found: Floats, truth: Floats) -> float:
    return float(np.sqrt(np.square(found - truth).mean()))


@given(st.integers(0, 2**32 - 1))
def test_where_accuracy_follows_the_likelihood_most_noise_is_gone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.88, 0.95, 200)
    top1 = counted(truth, rng)
    found = denoised(top1, 4 * truth - 4 + rng.normal(0, 0.004, 200), IMAGES)
    assert error(found, truth) < error(top1, truth) / 2
    assert found.mean() == pytest.approx(top1.mean())


@given(st.integers(0, 2**32 - 1))
def test_a_likelihood_that_says_nothing_does_little_harm(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.6, 0.95, 200)
    top1 = counted(truth, rng)
    found = denoised(top1, rng.normal(-0.4, 0.1, 200), IMAGES)
    assert error(found, truth) < 1.1 * error(top1, truth)


def test_too_little_to_go_by_changes_nothing() -> None:
    top1 = np.array([0.5, 0.6, 0.9])
    assert denoised(top1, np.full(3, -0.3), IMAGES) is top1
    assert denoised(top1[:2], np.array([-0.3, -0.2]), IMAGES).tolist() == [0.5, 0.6]
