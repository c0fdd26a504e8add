from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sartor.benchmarks import other_photos
from sartor.benchmarks.answers import Answers
from sartor.specializer.accuracy.models import MODELS
from sartor.specializer.cli.options import DEFAULT_SUPERNET
from sartor.specializer.shipped import find_spec

SPACE = find_spec(DEFAULT_SUPERNET).space


def test_uniform_networks_are_told_from_others() -> None:
    rows = np.array([[0, 2, 2, 0, 2], [1, 2, 2, 0, 3], [1, 3, 3, 3, 3]], np.int16)
    assert other_photos.is_uniform(rows).tolist() == [True, False, True]


def test_every_kind_of_predictor_meets_photos_that_it_was_not_fitted_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    journal = tmp_path / "answers.jsonl"
    answers = Answers(journal, 50)
    uniform = [(0, *(2 if slot % 4 < 2 else 0 for slot in range(20))), SPACE.largest]
    for row in [*uniform, *map(tuple, SPACE.random(10, rng).tolist())]:
        answers.add(SPACE.text(row), rng.random(50) < 0.9)
    program = ["other_photos.py", str(journal), "--photos", "50"]
    monkeypatch.setattr("sys.argv", [*program, "--json"])
    other_photos.main()
    outcomes = json.loads(capsys.readouterr().out)
    assert [one["model"] for one in outcomes] == list(MODELS)
    for one in outcomes:
        assert one["held_out"]["kendall_tau"] > 0.7
        assert one["others"]["uniform"]["networks"] == 2
        assert one["others"]["all"]["networks"] == 12
        assert 0 < one["others"]["all"]["mean_absolute_error"] < 0.2


def test_a_journal_that_is_not_there_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["other_photos.py", str(tmp_path / "gone.jsonl")])
    with pytest.raises(SystemExit, match="2"):
        other_photos.main()
    assert "benchmarks/specialization.py makes it" in capsys.readouterr().err
