from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from sartor.benchmarks.note10 import SUPERNET, Note10
from sartor.benchmarks.ofa_search import OfaSearch, subnetwork


@pytest.mark.data
@pytest.mark.parametrize("summed", [False, True])
def test_both_searches_are_told_the_same(data_folder: Path, *, summed: bool) -> None:
    if importlib.util.find_spec("ofa") is None:
        pytest.skip("the package is not installed: pip install --no-deps ofa")
    note10, theirs = Note10.load(data_folder), OfaSearch(data_folder, summed)
    accuracy, efficiency = theirs._accuracy, theirs._efficiency
    drawn = [accuracy.arch_encoder.random_sample_arch() for _ in range(200)]
    population = np.array([subnetwork(architecture) for architecture in drawn], np.int16)
    for network in population.tolist():
        SUPERNET.space.check(network)
    assert [efficiency.get_efficiency(each) for each in drawn] == pytest.approx(
        note10.cost.evaluate(population).tolist(), rel=1e-12
    )
    assert accuracy.predict_acc(drawn).numpy() == pytest.approx(
        note10.predictor.predict(population), abs=1e-6
    )
