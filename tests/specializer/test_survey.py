from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from sartor.specializer.cost import compile_cost
from sartor.specializer.evaluate import Score
from sartor.specializer.evaluation_table import (
    Evaluated,
    evaluations_of,
    read_evaluations,
    write_evaluations,
)
from sartor.specializer.evaluations import Evaluator
from sartor.specializer.images import ImageFolder
from sartor.specializer.journal import Subject
from sartor.specializer.predictor_report import make_predictor_report
from sartor.specializer.region import draw_subnetworks
from sartor.specializer.search.favourites import favourites
from sartor.specializer.space import SubNetwork
from sartor.specializer.survey import survey
from sartor.tables.errors import FormatError
from sartor.tables.kinds import multiply_adds

from .torch_tools import SMALL, draw_images, random_supernet
from .toy import random_predictor

SPACE = SMALL.space
COST = compile_cost(SMALL, multiply_adds)
FIRST = draw_subnetworks(SPACE, 60, np.random.default_rng(1))


class Saturating:
    """Accuracies that more operations raise ever less, so that a linear predictor overrates."""

    subject = Subject("small", "", 5000, "", 1, "")

    def __init__(self) -> None:
        self.asked: list[SubNetwork] = []

    def evaluate(self, subnetworks: Sequence[SubNetwork]) -> Iterator[tuple[SubNetwork, Score]]:
        for subnetwork in subnetworks:
            self.asked.append(subnetwork)
            cost = float(COST.evaluate(np.array([subnetwork], np.int16))[0])
            worth = np.array(subnetwork[1:]) % 3 == 0
            noise = np.random.default_rng(subnetwork).normal(0, 0.004)
            top1 = 0.9 - 0.3 * np.exp(-0.15 * worth.sum() - cost / 4e6)
            yield subnetwork, Score(float(top1 + noise), float(np.log(top1)))


def test_favourites_are_new_and_spread_over_the_budgets() -> None:
    rng = np.random.default_rng(0)
    predictor = random_predictor(SPACE, rng, hidden=())
    first = favourites(SPACE, COST, predictor, 12, np.random.default_rng(2))
    again = favourites(SPACE, COST, predictor, 12, np.random.default_rng(2), first)
    assert len(set(first)) == len(first) == 12
    assert not set(first) & set(again)
    costs = COST.evaluate(np.array(first, np.int16))
    least, most = COST.evaluate(np.array([SPACE.smallest, SPACE.largest], np.int16))
    assert costs.min() < least * (most / least) ** 0.3
    random = predictor.predict(SPACE.random(500, rng))
    assert predictor.predict(np.array(first, np.int16)).max() > random.max()


def test_a_survey_cures_the_predictor_of_overrating_its_favourites(tmp_path: Path) -> None:
    judge = Saturating()
    found = survey(judge, random_supernet(), FIRST, 40, 0, tmp_path / "j.jsonl")
    assert list(found)[:60] == FIRST
    assert len(judge.asked) == len(set(judge.asked)) == len(found) == 100
    assert [one.round for one in found.values()] == [0] * 60 + [1] * 10 + [2] * 10 + [3] * 10 + [
        4
    ] * 10
    write_evaluations(tmp_path / "e.csv", SMALL, found, 5000)
    report = make_predictor_report(SPACE, tmp_path / "e.csv", 0)
    first, *_, last = report.favourites
    assert (first.round, last.round) == (1, 4)
    assert first.overrated > 0.01
    assert abs(last.overrated) < first.overrated / 3


def test_a_survey_that_was_broken_off_goes_on(tmp_path: Path) -> None:
    whole = survey(Saturating(), random_supernet(), FIRST, 12, 0, tmp_path / "whole.jsonl")
    lines = (tmp_path / "whole.jsonl").read_bytes().splitlines(keepends=True)
    for kept in (30, 61, 65, len(lines)):
        journal, judge = tmp_path / f"{kept}.jsonl", Saturating()
        journal.write_bytes(b"".join(lines[:kept]))
        reports: list[int] = []
        again = survey(judge, random_supernet(), FIRST, 12, 0, journal, reports.append)
        assert again == whole
        assert len(judge.asked) == len(lines) - kept
        assert reports == sorted(reports)
        assert reports[-1] == len(whole)


def test_too_few_to_learn_from_is_told_before_any_is_evaluated(tmp_path: Path) -> None:
    judge = Saturating()
    with pytest.raises(FormatError, match=r"19 networks .* evaluate at least 20"):
        survey(judge, random_supernet(), FIRST[:19], 4, 0, tmp_path / "j.jsonl")
    assert not judge.asked


def test_a_table_of_favourites_alone_fits_nothing(tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    rows = [f"{SPACE.text(one)},0.{index},1" for index, one in enumerate(FIRST, 10)]
    path.write_text("\n".join(["subnetwork,top1,round", *rows]))
    with pytest.raises(FormatError, match=r"0 networks .* evaluate at least 20"):
        make_predictor_report(SPACE, path, 0)


def test_fewer_favourites_than_rounds_are_enough(tmp_path: Path) -> None:
    found = survey(Saturating(), random_supernet(), FIRST, 2, 0, tmp_path / "j.jsonl")
    assert [one.round for one in found.values()] == [0] * 60 + [1, 2]


def test_a_survey_without_favourites_is_what_was_asked_for(tmp_path: Path) -> None:
    folder = ImageFolder.scan(draw_images(tmp_path / "images", ("blue", "green", "red"), 6))
    calibration, judged = folder.split(9, 0)
    judge = Evaluator(random_supernet(), calibration, judged)
    found = survey(judge, random_supernet(), FIRST[:3], 0, 0, tmp_path / "j.jsonl")
    assert found == {one: Evaluated(score) for one, score in judge.evaluate(FIRST[:3])}


def test_a_table_keeps_rounds_and_one_without_them_has_none(tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    scores = [Score(0.5, -1.0), Score(0.75, -0.5), Score(0.5, -0.75), Score(0.6, -0.7)]
    evaluated = {
        one: Evaluated(score, index)
        for index, (one, score) in enumerate(zip(FIRST, scores, strict=False))
    }
    write_evaluations(path, SMALL, evaluated, 4)
    found = read_evaluations(path, SPACE)
    given = evaluations_of(evaluated, 4)
    for name in ("population", "top1", "rounds", "targets"):
        assert np.array_equal(getattr(found, name), getattr(given, name))
    assert found.rounds.tolist() == [0, 1, 2, 3]
    assert found.targets.tolist() != found.top1.tolist()
    path.write_text(f"subnetwork,top1\n{SPACE.text(FIRST[0])},0.5\n")
    plain = read_evaluations(path, SPACE)
    assert plain.rounds.tolist() == [0]
    assert plain.top1.tolist() == plain.targets.tolist() == [0.5]
