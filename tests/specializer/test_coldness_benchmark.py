from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sartor.benchmarks import coldness
from sartor.benchmarks.prediction import random_networks
from sartor.devices.local import LocalDevice

from .torch_tools import SMALL


def test_sums_that_are_a_tenth_too_high_need_a_factor_and_no_line() -> None:
    measured = np.array([1.0, 2.0, 4.0, 5.0, 7.0, 8.0, 9.0, 12.0])
    found = coldness.compare(1.1 * measured, measured)
    assert (found.bias, found.mape, found.largest_half_mape) == pytest.approx((0.1, 0.1, 0.1))
    assert found.factor_mape == pytest.approx(0, abs=1e-9)


def test_sums_with_an_offset_need_a_line() -> None:
    measured = np.array([1.0, 2.0, 4.0, 5.0, 7.0, 8.0, 9.0, 12.0])
    found = coldness.compare(measured + 0.5, measured)
    assert found.line_mape == pytest.approx(0, abs=1e-9)
    assert found.factor_mape > 0.01
    assert found.largest_half_mape < found.mape


def test_networks_are_timed_hot_and_cold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    device = LocalDevice(tmp_path)
    graphs = random_networks(SMALL, 8, seed=0)
    outcome = coldness.measure(device, "litert", graphs, 8.0, passes=1, seed=0)
    assert outcome.call_us > 0
    states = ["again and again", "cold"]
    assert list(outcome.agreements) == [*states, *(f"{state}, with calls" for state in states)]
    for state in states:
        sums, with_calls = outcome.agreements[state], outcome.agreements[f"{state}, with calls"]
        assert sums.bias < with_calls.bias
    coldness.show([outcome])
    assert "cold, with calls" in capsys.readouterr().out
