from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sartor.benchmarks import prediction
from sartor.specializer.cost import calibration_networks
from sartor.tables.calibration import COVERAGE
from sartor.tables.errors import MissingOperatorError
from sartor.tables.granularity import OPERATORS

from . import test_latency
from .chain import SPEC, Chain


def test_spearman_of_a_published_example() -> None:
    # Wikipedia, Spearman's rank correlation coefficient: IQ against hours of television.
    iq = np.array([106, 100, 86, 101, 99, 103, 97, 113, 112, 110], float)
    hours = np.array([7, 27, 2, 50, 28, 29, 20, 12, 6, 17], float)
    assert prediction.Score.of(iq, hours).spearman == pytest.approx(-29 / 165)


def test_errors_are_relative_to_what_was_measured() -> None:
    score = prediction.Score.of(np.array([10.4, 18.4, 32.7]), np.array([10.0, 20.0, 30.0]))
    assert score.mape == pytest.approx((0.04 + 0.08 + 0.09) / 3)
    assert score.within_5 == pytest.approx(1 / 3)
    assert score.within_10 == pytest.approx(1.0)


def test_held_out_networks_calibrate_nothing() -> None:
    held_out = prediction.random_networks(SPEC, 20, seed=0)
    names = {graph.name for graph in held_out}
    assert len(names) == 20
    assert not names & {graph.name for graph in calibration_networks(SPEC, 5)}
    assert prediction.random_networks(SPEC, 20, seed=0) == held_out


def test_blocks_stand_beside_operators(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    graphs = calibration_networks(test_latency.SPEC, 8)
    table = test_latency.measured(test_latency.EVERYTHING, OPERATORS)
    outcome = prediction.evaluate(table, graphs[::2], graphs[1::2])
    blocks, operators = outcome.by_rows
    assert (blocks.rows, blocks.used) == ("blocks", True)
    assert (operators.rows, operators.used) == ("operators", False)
    assert blocks.leave_one_out_error is not None
    assert operators.leave_one_out_error is not None
    assert blocks.leave_one_out_error < operators.leave_one_out_error
    assert blocks.score.mape < operators.score.mape
    assert blocks.plain_sum.mape < operators.plain_sum.mape
    prediction.show(outcome)
    printed = capsys.readouterr().out
    assert "calibration of blocks" in printed
    assert ", used" in printed
    for by in ("rows for blocks", "plain sum of blocks", "rows for operators", "multiply-adds"):
        assert by in printed
    alone = test_latency.measured(test_latency.rows([OPERATORS], range(3)))
    (only,) = prediction.evaluate(alone, graphs[::2], graphs[1::2]).by_rows
    assert (only.rows, only.used) == ("operators", True)
    (gone,) = {operator for operator in graphs[1].operators if operator.kind == "dense"}
    with pytest.raises(MissingOperatorError, match=str(gone)):
        prediction.evaluate(alone.without({gone}), graphs[::2], graphs[1::2])


@pytest.mark.slow
def test_the_benchmark_measures_and_resumes(chain: Chain, tmp_path: Path) -> None:
    command: list[str | Path] = [
        *(sys.executable, prediction.__file__, "--runtime", "litert", "--json"),
        *("--supernet", chain.supernet, "--count", "2", "--passes", "1", "--rows", "both"),
        *("--store", tmp_path / "store.sqlite"),
    ]
    first, second = (
        subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(2)
    )
    assert first.stdout == second.stdout
    (outcome,) = json.loads(first.stdout)
    assert len(outcome["networks"]) == len(outcome["measured_ms"]) == 2
    assert {rows["rows"] for rows in outcome["by_rows"]} == {"operators", "blocks"}
    assert [rows["used"] for rows in outcome["by_rows"]] == [True, False]
    for rows in outcome["by_rows"]:
        assert len(rows["predicted_ms"]) == 2
        assert 0 <= rows["score"]["within_5"] <= rows["score"]["within_10"] <= 1
        assert rows["promised_coverage"] == COVERAGE
