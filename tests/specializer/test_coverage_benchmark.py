from __future__ import annotations

import numpy as np
import pytest

from sartor.benchmarks import calibrations, coverage
from sartor.benchmarks.calibrations import Floats
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
    factor, line, curve = (
        next(one.resampled for one in found if one.method == method)
        for method in calibrations.METHODS
    )
    assert line.mape < factor.mape
    assert curve.mape < factor.mape
    assert line.mape == pytest.approx(0.02, rel=0.5)
    for one in (line, curve):
        assert 0.75 < one.coverage <= 1
        assert 0.02 < one.margin < 0.1
        assert one.deviation > 0


def test_a_line_is_fitted_exactly_where_there_is_one() -> None:
    sizes, measured, others = np.array([1.0, 2.0, 5.0, 9.0]), np.array([5.0, 7.0, 13.0, 21.0]), 10.0
    line = calibrations.METHODS[calibrations.LINE]
    assert np.array(line(sizes, measured, np.array([others]))) == pytest.approx(23.0)
    assert calibrations.leave_one_out_error(line, sizes, measured) == pytest.approx(0, abs=1e-12)


def test_leave_one_out_errors_are_those_of_networks_that_were_not_seen() -> None:
    def constant(
        sizes: Floats, measured: Floats, others: Floats, _coverage: float = 0.9
    ) -> calibrations.Predicted:
        mean = np.full_like(others, measured.mean())
        return calibrations.Predicted(mean, mean, mean)

    error = calibrations.leave_one_out_error(constant, np.ones(2), np.array([1.0, 2.0]))
    assert error == pytest.approx(np.sqrt(((1 / 2 - 1) ** 2 + (2 / 1 - 1) ** 2) / 2))


def test_a_table_without_the_networks_is_refused(table: LatencyTable) -> None:
    with pytest.raises(MeasurementError, match=r"made-up lacks nobody; run benchmarks/prediction"):
        coverage.evaluate(table, ("least", "most"), [*NAMES, "nobody"], [8], 2, 0)
