from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
from hypothesis import given

from sartor.profiler.writers.quantisation import Quantisation, store_weights

bounds = st.tuples(st.floats(-1e4, 0), st.floats(0, 1e4)).filter(lambda b: b[1] - b[0] > 1e-3)


@given(bounds, st.floats(0, 1))
def test_a_range_is_covered_to_half_a_step_and_zero_exactly(
    limits: tuple[float, float], where: float
) -> None:
    low, high = limits
    stored = Quantisation.covering(limits)
    assert -128 <= stored.zero_point <= 127
    value = low + where * (high - low)
    step = np.clip(round(value / stored.scale) + stored.zero_point, -128, 127)
    # The zero point is rounded, so the range may be shifted by half a step.
    assert abs(stored.scale * (step - stored.zero_point) - value) <= 1.01 * stored.scale


def test_a_range_from_zero_wastes_nothing() -> None:
    assert Quantisation.covering((0.0, 6.0)).zero_point == -128
    assert Quantisation.covering((-6.0, 0.0)).zero_point == 127


def test_weights_have_a_scale_for_each_output_channel() -> None:
    weight = np.array([[1.0, -2.0], [0.01, 0.02], [0.0, 0.0]], np.float32)
    bias = np.array([1.0, -1.0, 0.5], np.float32)
    stored = store_weights(weight, bias, 0, Quantisation(0.5, 3))
    np.testing.assert_allclose(
        stored.weight * stored.weight_scales[:, None], weight, atol=2 / 127 / 2
    )
    np.testing.assert_array_equal(stored.weight[:, 1], [-127, 127, 0])
    np.testing.assert_allclose(stored.bias * stored.bias_scales, bias, rtol=0.01)
    np.testing.assert_allclose(stored.bias_scales, 0.5 * stored.weight_scales)


def test_the_output_channels_may_lie_on_any_axis() -> None:
    weight = np.random.default_rng(0).standard_normal((1, 3, 3, 8)).astype(np.float32)
    stored = store_weights(weight, np.zeros(8, np.float32), 3, Quantisation(1.0, 0))
    np.testing.assert_allclose(stored.weight_scales, np.abs(weight).max((0, 1, 2)) / 127)
