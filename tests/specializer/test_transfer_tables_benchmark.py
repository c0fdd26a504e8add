from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sartor.benchmarks import transfer_tables
from sartor.benchmarks.prediction import random_networks
from sartor.specializer.cli.options import DEFAULT_SUPERNET
from sartor.specializer.cost import calibration_networks
from sartor.specializer.shipped import find_spec
from sartor.tables import Condition, Store

from .made_up_tables import made_up_table, plain_us, slow_at_large_kernels_us


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What benchmarks/prediction.py would leave of two made-up runtimes, one of them twice."""
    path = tmp_path_factory.mktemp("benchmark") / "made_up.sqlite"
    spec = find_spec(DEFAULT_SUPERNET)
    others = random_networks(spec, 30, seed=1)
    with Store.open(path) as opened:
        opened.add(made_up_table(spec, "plain", plain_us, others))
        for name in ("slow", "slow-again"):
            condition = Condition("onnxruntime")
            opened.add(
                made_up_table(spec, name, slow_at_large_kernels_us, others, condition=condition)
            )
        opened.add(made_up_table(spec, "few", plain_us, condition=Condition("torch")))
    return path


def test_each_condition_is_new_once_and_knows_no_test_network(store: Path) -> None:
    cases = {(case.new, *case.known): case for case in transfer_tables.stored([store])}
    plain, slow, again = (f"{name} of made_up" for name in ("plain", "slow", "slow-again"))
    assert set(cases) == {(plain, again), (again, plain), (again, slow)}
    case = cases[again, plain]
    assert len(case.networks) == len(case.measured_ms) == 35
    spec = find_spec(DEFAULT_SUPERNET)
    usual = {graph.name for graph in calibration_networks(spec, 8)}
    for known in case.known.values():
        assert {whole.network.name for whole in known.networks} <= usual


def test_every_method_is_scored_from_the_same_networks(store: Path) -> None:
    (case,) = (case for case in transfer_tables.stored([store]) if case.new == "plain of made_up")
    rows = transfer_tables.evaluate(case, [5, 10], draws=1)
    scores = {(row.method, row.networks): row.score for row in rows}
    assert len(scores) == 2 * 4
    assert scores["transfer", 10].mape < 0.3 * scores["best known", 10].mape
    assert scores["multiply-adds", 10].mape < 0.05  # that is what it was made of
    for score in scores.values():
        assert score.coverage is not None
        assert 0 <= score.coverage <= 1


def test_the_program_says_what_is_wrong(tmp_path: Path) -> None:
    program = [sys.executable, transfer_tables.__file__]
    for arguments, complaint, code in (
        ([tmp_path / "gone.sqlite"], "there is no store", 1),
        ([], "name stores, or --published", 2),
        (["--published", "--networks", "2"], "--networks takes 3 to 15", 2),
    ):
        ended = subprocess.run(
            [*program, *map(str, arguments)], capture_output=True, text=True, check=False
        )
        assert ended.returncode == code
        assert complaint in ended.stderr
        assert "Traceback" not in ended.stderr


@pytest.mark.data
def test_published_tables_of_two_machines_predict_each_other(data_folder: Path) -> None:
    cases = list(transfer_tables.published(data_folder))
    assert [case.new for case in cases] == ["Note10", "i7-8700K"]
    for case in cases:
        scores = {
            (row.method, row.networks): row.score
            for row in transfer_tables.evaluate(case, [10], draws=1)
        }
        best = scores["best known", 10]
        assert scores["transfer", 10].mape < min(0.05, best.mape)
        assert scores["transfer", 10].spearman > best.spearman
        assert np.isfinite(scores["transfer", 10].half_width or np.inf)
