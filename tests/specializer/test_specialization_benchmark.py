from __future__ import annotations

import json
import subprocess
import sys
from itertools import product
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given

from sartor.benchmarks import contest, specialization
from sartor.benchmarks.answers import Answers, Photos, right_answers
from sartor.benchmarks.contest import (
    KINDS,
    Case,
    Contest,
    Latency,
    as_fast,
    geometric_budgets,
    most_accurate,
    networks_near,
    uniform_networks,
)
from sartor.benchmarks.paired import Difference, Flags, mcnemar
from sartor.specializer.evaluate import LabelledPixels, top1
from sartor.specializer.extract import extract
from sartor.specializer.images import ImageFolder
from sartor.specializer.recalibrate import recalibrate
from sartor.specializer.space import SubNetwork
from sartor.tables.errors import CheckpointError, FormatError

from .chain import LABELS, SPEC, Chain, random_image, write_photos
from .torch_tools import random_supernet
from .toy import every_network, random_cost, space_of


def answers_of(both: int, first: int, second: int, neither: int) -> tuple[Flags, Flags]:
    """Two networks' answers: images that both, one alone, or none of them got right."""
    counts = (both, first, second, neither)
    cells = ((True, True), (True, False), (False, True), (False, False))
    one, other = np.repeat(np.array(cells), counts, axis=0).T
    return one, other


def timed(times_ms: dict[SubNetwork, float]) -> dict[SubNetwork, Latency]:
    return {one: (ms, ms, ms) for one, ms in times_ms.items()}


def test_difference_of_a_published_example() -> None:
    # Agresti, Categorical data analysis, table 10.1: approval of a prime minister, two surveys of
    # the same 1600 people; 0.59 - 0.55 = 0.04 with the 95 % interval from 0.02 to 0.06.
    difference = Difference.of(*answers_of(794, 150, 86, 570))
    assert difference.points == pytest.approx(4)
    assert (difference.low, difference.high) == pytest.approx((2.13, 5.87), abs=0.01)


@pytest.mark.parametrize(
    ("wins", "losses", "p_value"),
    # Wikipedia, McNemar's test: b = 6, c = 16, as Fay (2011) computes it; the others by hand.
    [(6, 16, 0.0525), (16, 6, 0.0525), (0, 0, 1.0), (3, 3, 1.0), (5, 0, 2 / 32), (0, 1, 1.0)],
)
def test_mcnemars_exact_test(wins: int, losses: int, p_value: float) -> None:
    assert mcnemar(wins, losses) == pytest.approx(p_value, abs=1e-4)


def test_mcnemars_test_takes_any_number_of_images() -> None:
    assert 0 < mcnemar(3000, 2900) < 1


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_the_interval_is_that_of_the_mean_of_paired_differences(
    pairs: list[tuple[bool, bool]],
) -> None:
    right, other = np.array(pairs, bool).T
    differences = 100 * (right.astype(float) - other)  # the textbook's way, image by image
    error = differences.std() / np.sqrt(len(differences))
    found = Difference.of(right, other)
    assert found.points == pytest.approx(differences.mean())
    assert found.high - found.points == pytest.approx(1.959964 * error, abs=1e-5)
    assert found.points - found.low == pytest.approx(1.959964 * error, abs=1e-5)


def test_a_rival_may_be_two_percent_slower_and_no_more() -> None:
    latencies = timed({(0,): 10.0, (1,): 10.19, (2,): 10.21, (3,): 0.1})
    rivals = [(1,), (2,), (3,), (4,)]  # the last could not be measured
    assert as_fast(rivals, latencies, than=(0,)) == [(1,), (3,)]


def test_the_most_accurate_rival_is_chosen_and_of_equals_the_faster() -> None:
    latencies = timed({(0,): 3.0, (1,): 2.0, (2,): 1.0})
    rows = np.array([[1, 1, 0], [0, 1, 1], [0, 0, 1]], bool)
    right: dict[SubNetwork, Flags] = {(index,): row for index, row in enumerate(rows)}
    assert most_accurate([(0,), (1,), (2,)], latencies, right) == (1,)
    assert most_accurate([], latencies, right) is None


def test_only_networks_that_can_meet_a_specialised_one_are_evaluated() -> None:
    latencies = timed({(0,): 1.0, (1,): 5.0, (2,): 0.9, (3,): 4.0, (4,): 6.0, (5,): 4.9, (6,): 0.5})
    fast = Case(1.1, (0,), near=((2,), (3,)))  # (3,) turned out too slow for its budget
    slow = Case(5.5, (1,), near=((4,), (5,)))
    entered = Contest((fast, slow), random=((6,), (3,)), uniform=((4,),))
    assert set(entered.subnetworks) == set(latencies)
    assert entered.comparable(latencies) == ((0,), (1,), (6,), (2,), (3,), (5,))
    no_random = Contest((fast, slow), random=((6,),), uniform=((4,),))
    assert (3,) not in no_random.comparable(latencies)


def test_budgets_are_in_equal_ratios_and_none_is_at_an_end() -> None:
    budgets = geometric_budgets(1, 32, 5)
    assert budgets == pytest.approx([2**0.5, 2**1.5, 2**2.5, 2**3.5, 2**4.5])
    assert geometric_budgets(3, 3, 2) == [3, 3]


def test_uniform_networks_are_all_that_have_one_block_and_one_depth() -> None:
    networks = uniform_networks(SPEC.space)
    texts = {
        f"{size}:{'|'.join(['.'.join([f'k{k}e{e}'] * depth + ['-'] * (4 - depth))] * 5)}"
        for size, k, e, depth in product((64, 96), (3, 5, 7), (3, 4, 6), (2, 3, 4))
    }
    assert len(networks) == len(texts) == 54
    assert set(map(SPEC.space.text, networks)) == texts


def test_stages_that_differ_cannot_be_scaled_uniformly() -> None:
    with pytest.raises(FormatError, match="no sub-network"):
        uniform_networks(space_of(1, ((2, 2), 1), ((1, 1), 1)))


def test_networks_near_a_budget_are_found_where_there_are_some(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(contest, "_DRAWN_AT_ONCE", 1000)
    space, rng = space_of(2, ((2, 3, 3), 1), ((3, 2), 1)), np.random.default_rng(0)
    cost = random_cost(space, rng)
    everything = every_network(space)
    costs = cost.evaluate(everything)
    budget_ms = float(np.median(costs))
    near = everything[(costs >= 0.85 * budget_ms) & (costs <= budget_ms)]
    wanted = {tuple(row) for row in near.tolist()}
    found = networks_near(space, cost, budget_ms, len(wanted) + 1, rng)
    assert len(found) == len(wanted)
    assert set(found) == wanted
    assert set(networks_near(space, cost, budget_ms, 5, rng)) < wanted
    assert networks_near(space, cost, float(costs.min()) / 2, 5, rng) == ()


def test_answers_survive_a_writer_that_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    right = np.random.default_rng(0).random(13) < 0.5
    Answers(path, 13).add("a", right)
    with path.open("a") as file:
        file.write('{"subnetwork": "b", "ri')
    again = Answers(path, 13)
    assert list(again.known) == ["a"]
    again.add("c", ~right)
    known = Answers(path, 13).known
    assert {name: flags.tolist() for name, flags in known.items()} == {
        "a": right.tolist(),
        "c": (~right).tolist(),
    }


def test_a_file_of_something_else_is_no_journal(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"subnetwork": "a", "top1": 0.5}\n')
    with pytest.raises(CheckpointError, match="no journal of answers"):
        Answers(path, 13)


def test_right_answers_are_those_that_top1_counts() -> None:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (20, 3, 64, 64), generator=generator, dtype=torch.uint8)
    images = LabelledPixels(pixels, torch.arange(20) % 3)
    network = extract(random_supernet(SPEC), SPEC.space.smallest)
    network = recalibrate(network, images.batches())
    right = right_answers(network, images)
    assert right.shape == (20,)
    assert right.mean() == pytest.approx(top1(network, images))


def test_calibration_photos_are_in_no_order_of_classes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for part, label, index in product(("train", "val"), LABELS, range(8)):
        (tmp_path / part / label).mkdir(parents=True, exist_ok=True)
        random_image(8, rng).save(tmp_path / part / label / f"{index}.png")
    photos = Photos.find(tmp_path, LABELS, None, seed=0)
    assert list(photos.calibration.labels) != sorted(photos.calibration.labels)
    assert photos.judged == ImageFolder.scan(tmp_path / "val", LABELS)
    assert len(Photos.find(tmp_path, LABELS, 5, seed=0).judged) == 5


@pytest.mark.slow
def test_the_benchmark_compares_draws_and_resumes(chain: Chain, tmp_path: Path) -> None:
    for part in ("train", "val"):
        write_photos(tmp_path / part)
    result, picture, store = (tmp_path / name for name in ("out.json", "out.png", "s.sqlite"))
    command: list[str | Path] = [
        *(
            sys.executable,
            specialization.__file__,
            "--data",
            tmp_path,
            "--supernet",
            chain.supernet,
        ),
        *("--random", "3", "--budgets", "2", "--passes", "2", "--store", store),
        *("--json", result, "--plot", picture),
    ]
    first = subprocess.run(command, capture_output=True, text=True, check=True)
    outcome = json.loads(result.read_text())
    second = subprocess.run(command, capture_output=True, text=True, check=True)
    assert first.stdout == second.stdout
    assert json.loads(result.read_text()) == outcome
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "flatters" in first.stdout
    assert outcome["images"] == 6
    assert len(outcome["rounds"]) == 2
    budgets = [str(one["budget_ms"]) for one in outcome["rounds"]]
    subprocess.run([*command, "--budgets-ms", *budgets], capture_output=True, check=True)
    assert json.loads(result.read_text()) == outcome
    for one in outcome["rounds"]:
        specialised = one["specialised"]
        assert 0 <= specialised["accuracy"] <= 1
        assert specialised["predicted_ms"] < one["bound_ms"] <= one["budget_ms"] * 1.0001
        assert [duel["kind"] for duel in one["duels"]] == list(KINDS)
        for duel in one["duels"]:
            assert (duel["best"] is None) == (duel["as_fast"] == 0)
            if duel["best"] is not None:
                assert duel["best"]["measured_ms"] <= 1.02 * specialised["measured_ms"]
                points = 100 * (specialised["accuracy"] - duel["best"]["accuracy"])
                assert duel["difference"]["points"] == pytest.approx(points)
