from __future__ import annotations

import numpy as np
import pytest

from sartor.benchmarks import coverage
from sartor.tables import Condition, LatencyTable, Network, Operator, Provenance, Subject
from sartor.tables.errors import MeasurementError
from sartor.tables.measurement import Measurement, Window

PROVENANCE = Provenance("local", (), Condition("litert"), "2", "0" * 64, "1", "1", "now", "0.1")
SIZES = {f"random {index}": 20 + 4 * index for index in range(30)} | {"least": 5, "most": 300}
NAMES = [name for name in SIZES if name.startswith("random")]


@pytest.fixture(scope="module")
def table() -> LatencyTable:
    """Networks of one operator, as often as their size says, 2 % around a line with an offset."""
    rng = np.random.default_rng(0)
    operator = Operator.parse("dense/8x1x1/out=1/none/float32")

    def measured(latency_us: float) -> Measurement:
        return Measurement((Window(0, (latency_us,) * 5, 0, 100.0, "now"),), 100.0)

    entries: dict[Subject, Measurement] = {operator: measured(100.0)}
    for name, size in SIZES.items():
        latency_us = (100 * size - 300) * np.exp(rng.normal(0, 0.02))
        entries[Network(name, (operator,) * size)] = measured(latency_us)
    return LatencyTable("made-up", PROVENANCE, entries)


def test_what_fits_is_found_to_fit_and_to_hold(table: LatencyTable) -> None:
    found = coverage.evaluate(table, ("least", "most"), NAMES, [8], 20, 0)
    factor, line, curve = sorted(
        found, key=lambda one: ["factor", "line", "curve"].index(one.method)
    )
    assert line.mape < factor.mape
    assert curve.mape < factor.mape
    assert line.mape == pytest.approx(0.02, rel=0.5)
    for one in (line, curve):
        assert 0.75 < one.coverage <= 1
        assert 0.02 < one.margin < 0.1
        assert one.deviation > 0


def test_a_table_without_the_networks_is_refused(table: LatencyTable) -> None:
    with pytest.raises(MeasurementError, match=r"made-up lacks nobody; run benchmarks/prediction"):
        coverage.evaluate(table, ("least", "most"), [*NAMES, "nobody"], [8], 2, 0)
