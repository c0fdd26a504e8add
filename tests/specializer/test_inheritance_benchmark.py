from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from sartor.benchmarks import inheritance
from sartor.benchmarks.inheritance import KINDS, plan_trials
from sartor.benchmarks.ranking import ALL, WITHIN, agreement, bootstrap, gain, tau_within
from sartor.benchmarks.trials import (
    ALONE,
    FEW_SHOT,
    INHERITED,
    SCRATCH,
    TUNED,
    Plan,
    Trial,
    Trials,
)
from sartor.specializer.checkpoint import Checkpoint, save_supernet
from sartor.specializer.train.recipe import NO_START, Phase, Recipe
from sartor.specializer.train.recipe_file import recipe_text
from sartor.tables.errors import CheckpointError, DatasetError, FormatError

from .chain import sartor
from .torch_tools import SMALL, draw_images, random_supernet

LABELS = ("blue", "green", "red")
SPACE = SMALL.space
METADATA = {
    "recipe": recipe_text(Recipe("tiny", (Phase("one", 1, 1e-3),), 0.25, SMALL.resolutions))
}


def ranking(count: int, noise: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two rankings that agree in part, and groups that take turns."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=count)
    return truth + noise * rng.normal(size=count), truth, np.array(["a", "b"])[np.arange(count) % 2]


@given(st.lists(st.sampled_from("abc"), min_size=2, max_size=12), st.integers(0, 999))
def test_tau_within_groups_counts_pairs_of_one_group(groups: list[str], seed: int) -> None:
    count = len(groups)
    rng = np.random.default_rng(seed)
    first, second = rng.permutation(count).astype(float), rng.permutation(count).astype(float)
    pairs = [(i, j) for i, j in combinations(range(count), 2) if groups[i] == groups[j]]
    signs = [np.sign((first[i] - first[j]) * (second[i] - second[j])) for i, j in pairs]
    found = tau_within(first, second, np.array(groups))
    assert found == pytest.approx(np.mean(signs) if signs else np.nan, nan_ok=True)


def test_an_interval_has_its_value_inside_and_shrinks_with_more_networks() -> None:
    widths = []
    for count in (10, 40, 160):
        for interval in agreement(*ranking(count, 0.7)).values():
            assert interval is not None
            assert -1 <= interval.low < interval.value < interval.high <= 1
            widths.append(interval.high - interval.low)
    assert widths[4] < widths[2] < widths[0]
    assert widths[5] < widths[3] < widths[1]


def test_the_interval_of_a_mean_is_the_textbooks() -> None:
    values = np.random.default_rng(0).normal(size=400)
    interval = bootstrap(lambda index: float(values[index].mean()), len(values))
    error = values.std() / np.sqrt(len(values))  # of a mean; 1.645 of them make 90 %
    assert interval is not None
    assert interval.value == pytest.approx(values.mean())
    assert interval.high - interval.value == pytest.approx(1.645 * error, rel=0.1)
    assert interval.value - interval.low == pytest.approx(1.645 * error, rel=0.1)


def test_nothing_is_gained_by_an_equal_ranking() -> None:
    noisy, truth, groups = ranking(20, 0.7)
    for interval in gain(noisy, np.exp(noisy), truth, groups).values():
        assert interval is not None
        assert (interval.low, interval.value, interval.high) == (0, 0, 0)


def test_a_perfect_ranking_gains_on_a_reversed_one() -> None:
    _, truth, groups = ranking(20, 0)
    for interval in gain(truth, -truth, truth, groups).values():
        assert interval is not None
        assert interval.value == pytest.approx(2)


def test_groups_of_one_network_each_tell_nothing() -> None:
    noisy, truth, _ = ranking(5, 0.7)
    groups = np.array(list("abcde"))
    assert agreement(noisy, truth, groups)[WITHIN] is None
    assert agreement(noisy, truth, groups)[ALL] is not None


def texts(count: int) -> list[str]:
    return list(map(SPACE.text, map(tuple, SPACE.random(count, np.random.default_rng(0)).tolist())))


def test_each_network_is_tried_once_in_every_way() -> None:
    chosen = texts(6)
    trials = plan_trials(SPACE, chosen, 2, "resolution")
    for kind, expected in ((FEW_SHOT, chosen), (INHERITED, chosen), (ALONE, chosen)):
        tried = [text for trial in trials if trial.kind == kind for text in trial.subnetworks]
        assert sorted(tried) == sorted(expected)
    for kind in (TUNED, SCRATCH):
        assert [trial.subnetworks for trial in trials if trial.kind == kind] == [
            (text,) for text in chosen[:2]
        ]
    for trial in trials:
        if trial.kind == FEW_SHOT:
            size = trial.region.removeprefix("resolution=")
            assert all(text.startswith(f"{size}:") for text in trial.subnetworks)


def test_regions_without_networks_are_not_trained() -> None:
    (text,) = texts(1)
    (trial,) = (t for t in plan_trials(SPACE, [text], 1, "resolution") if t.kind == FEW_SHOT)
    assert trial.region == f"resolution={text.partition(':')[0]}"


def test_an_unknown_dimension_is_told() -> None:
    with pytest.raises(FormatError, match="cannot be split by 'colour': resolution"):
        plan_trials(SPACE, texts(2), 1, "colour")


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """A supernet that says it was trained by a tiny recipe, and images of its classes."""
    supernet = tmp_path / "my.safetensors"
    save_supernet(Checkpoint("my", random_supernet(), LABELS, METADATA), supernet)
    data = draw_images(tmp_path / "photos", LABELS, 10)
    return Plan(data, str(supernet), tmp_path / "out", "cpu", 1, 1, 1, 8, 1)


def test_results_of_other_weights_epochs_or_images_are_not_taken(plan: Plan) -> None:
    (text,) = texts(1)
    alone = Trial(ALONE, (text,))
    paths = [Trials(plan).path(alone)]
    assert Trials(plan).path(alone) == paths[0]
    paths += [
        Trials(replace(plan, alone_epochs=2)).path(alone),
        Trials(replace(plan, batch_size=4)).path(alone),
        Trials(plan).path(Trial(TUNED, (text,))),
    ]
    assert Trials(replace(plan, tune_epochs=2)).path(alone) == paths[0]
    other = Checkpoint("my", random_supernet(seed=1), LABELS, METADATA)
    save_supernet(other, Path(plan.supernet))
    paths.append(Trials(plan).path(alone))
    (plan.data / "red" / "9.jpg").unlink()
    paths.append(Trials(plan).path(alone))
    assert len(set(paths)) == len(paths)


def test_a_network_from_scratch_knows_nothing_and_a_tuned_one_starts_from_the_supernet(
    plan: Plan,
) -> None:
    (text,) = texts(1)
    trials = Trials(plan)
    regions = {FEW_SHOT: "resolution=32"}
    starts = {
        kind: trials.recipe_of(Trial(kind, (text,), regions.get(kind, ""))).start for kind in KINDS
    }
    assert starts[SCRATCH] == NO_START
    assert starts[TUNED] == starts[FEW_SHOT] == plan.supernet
    (phase,) = trials.recipe_of(Trial(SCRATCH, (text,))).phases
    assert (phase.epochs, phase.only) == (plan.tune_epochs, (text,))


def test_a_region_is_judged_again_for_other_networks(plan: Plan) -> None:
    first, second = texts(2)
    trials = Trials(plan)
    one, both = (Trial(FEW_SHOT, chosen, "resolution=32") for chosen in ((first,), (first, second)))
    assert trials.path(one) != trials.path(both)


def test_a_damaged_result_is_told(plan: Plan) -> None:
    trials, trial = Trials(plan), Trial(INHERITED, tuple(texts(1)))
    trials.make(trial)
    assert 0 <= trials.result(trial)[trial.subnetworks[0]] <= 1
    trials.path(trial).write_text("{}")
    with pytest.raises(CheckpointError, match="no result of a trial; remove it"):
        trials.result(trial)


@pytest.mark.parametrize("metadata", [{}, {"recipe": "imagenette"}])
def test_a_supernet_has_to_say_what_trained_it(plan: Plan, metadata: dict[str, str]) -> None:
    save_supernet(Checkpoint("my", random_supernet(), LABELS, metadata), Path(plan.supernet))
    with pytest.raises(CheckpointError, match="does not say what recipe it was trained by"):
        Trials(plan)


def test_images_of_other_classes_are_refused(plan: Plan) -> None:
    (plan.data / "red").rename(plan.data / "yellow")
    with pytest.raises(DatasetError, match="has other classes than"):
        Trials(plan)


def options(*, supernet: Path, data: Path, out: Path, **others: object) -> list[str]:
    given = {"supernet": supernet, "data": data, "out": out, "device": "cpu", **others}
    return [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"networks": 1}, "--networks: want 2 or more, not 1"),
        ({"tuned": 0}, "--tuned: want 1 or more, not 0"),
        ({"networks": 4, "tuned": 5}, "--tuned: want at most all 4 networks"),
        ({"alone_epochs": 0}, "--alone-epochs: want 1 or more, not 0"),
        ({"batch_size": 1}, "--batch-size: want 2 or more, not 1"),
        ({"seed": -1}, "--seed: want 0 or more, not -1"),
        ({"device": "tpu"}, "invalid choice: 'tpu'"),
    ],
)
def test_wrong_options_are_told(
    wrong: dict[str, object],
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    argv = options(supernet=tmp_path / "my", data=tmp_path, out=tmp_path, **wrong)
    monkeypatch.setattr(sys, "argv", ["inheritance.py", *argv])
    with pytest.raises(SystemExit) as ended:
        inheritance.main()
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err


def test_what_goes_wrong_is_one_line(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = {"supernet": Path(plan.supernet), "data": plan.data, "out": tmp_path}
    for wrong, complaint in (
        ({"supernet": "nonsense"}, "no supernet 'nonsense'"),
        ({"data": tmp_path / "nowhere"}, "cannot list"),
        ({"split": "colour"}, "cannot be split by 'colour'"),
    ):
        argv = options(**{**there, **wrong})  # type: ignore[arg-type]
        monkeypatch.setattr(sys, "argv", ["inheritance.py", *argv])
        with pytest.raises(SystemExit, match=f"^inheritance: .*{complaint}"):
            inheritance.main()


@pytest.mark.slow
def test_the_benchmark_trains_ranks_and_resumes(tmp_path: Path) -> None:
    data = draw_images(tmp_path / "photos", LABELS, 12)
    supernet, out, result = (tmp_path / name for name in ("my.safetensors", "out", "r.json"))
    trained = sartor(
        *("train", "--data", data, "--out", supernet, "--recipe", "smoke", "--width", 0.25),
        *("--start", "random", "--device", "cpu"),
    )
    assert trained.exit_code == 0, trained.stderr
    command = [sys.executable, inheritance.__file__]
    epochs = {"tune_epochs": 1, "alone_epochs": 1, "region_epochs": 1}
    small = {"networks": 4, "tuned": 2, "jobs": 1, "batch_size": 8, "json": result}
    command += options(supernet=supernet, data=data, out=out, **epochs, **small)
    first = subprocess.run(command, capture_output=True, text=True, check=False)
    assert first.returncode == 0, first.stderr
    report = json.loads(result.read_text())
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    second = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ", 0 of them still to do" in second.stderr
    assert second.stdout == first.stdout
    assert json.loads(result.read_text()) == report
    after = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    assert after == before

    assert "Kendall's τ" in first.stdout
    assert (report["recipe"], report["images"], report["split"]) == ("smoke", 8, "resolution")
    assert report["epochs"] == dict.fromkeys(KINDS, 1) | {INHERITED: 0}
    rows, always = report["networks"].values(), (INHERITED, FEW_SHOT, ALONE)
    assert [sorted(row) for row in rows] == [sorted(KINDS)] * 2 + [sorted(always)] * 2
    for kind in always:
        assert report["mean"][kind] == pytest.approx(np.mean([row[kind] for row in rows]))
    assert set(report["mean_of_tuned"]) == set(KINDS)
    assert set(report["kendall_tau"]) == {INHERITED, FEW_SHOT}
    for taus in (*report["kendall_tau"].values(), report["gain_in_tau"]):
        assert set(taus) == {ALL, WITHIN}
