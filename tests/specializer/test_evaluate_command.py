from __future__ import annotations

import csv
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest

from sartor.specializer.accuracy.models import DEFAULT_MODEL, MODELS
from sartor.specializer.accuracy.predictor import MlpPredictor
from sartor.specializer.accuracy.stored import load_predictor
from sartor.specializer.assignment import Assignment
from sartor.specializer.checkpoint import Checkpoint, save_supernet
from sartor.specializer.cluster import Cluster
from sartor.specializer.evaluate import Score
from sartor.specializer.region import extremes_and_random
from sartor.specializer.space import SubNetwork
from sartor.tables.errors import (
    CheckpointError,
    DatasetError,
    DeviceUnreachableError,
)

from .chain import Finished, sartor
from .torch_tools import SMALL, draw_images, random_supernet

LABELS = ("blue", "green", "red")
SPACE = SMALL.space
PROGRAM = Path(sys.executable).with_name("sartor")
TIMEOUT_S = 60


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_images(tmp_path_factory.mktemp("data") / "images", LABELS, 8)


@pytest.fixture
def supernet(tmp_path: Path) -> Path:
    return write_supernet(tmp_path / "tiny.safetensors")


def write_supernet(path: Path, seed: int = 0) -> Path:
    save_supernet(Checkpoint("tiny", random_supernet(seed=seed), LABELS), path)
    return path


@pytest.fixture
def assignment(supernet: Path, data: Path) -> Assignment:
    return Assignment(str(supernet), data, recalibration_images=9)


def evaluate(supernet: Path, data: Path, out: Path, *options: object) -> Finished:
    """Evaluate twenty sub-networks and up to six favourites in this process."""
    return sartor(
        *("evaluate", "--supernet", supernet, "--data", data, "--count", 18, "--best", 6),
        *("--device", "cpu", "--out", out, "--recalibration-images", 9, *options),
    )


def drawn(count: int) -> list[SubNetwork]:
    return extremes_and_random(SPACE, count, np.random.default_rng(0))


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def lines_in(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


@contextmanager
def no_noise() -> Iterator[None]:
    """Let Dask's own deprecated calls and late sockets pass; it is not ours to mend."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_evaluations_become_a_table_a_predictor_and_a_report(
    supernet: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "results" / "tiny.csv"
    report = evaluate(supernet, data, out, "--json").document
    rows = rows_of(out)
    texts = [row["subnetwork"] for row in rows]
    assert texts[:20] == [SPACE.text(subnetwork) for subnetwork in drawn(18)]
    assert 20 < len(set(texts)) == len(texts) <= 26
    assert [int(row["round"]) for row in rows] == sorted(int(row["round"]) for row in rows)
    assert {row["round"] for row in rows[:20]} == {"0"} != {row["round"] for row in rows[20:]}
    largest = SMALL.graph(SPACE.largest)
    assert rows[0]["multiply_adds"] == str(largest.multiply_adds)
    assert rows[0]["parameters"] == str(largest.parameters)
    assert {row["images"] for row in rows} == {"15"}
    assert report["networks"] == len(rows)
    assert sum(one["networks"] for one in report["favourites"]) == len(rows) - 20
    assert sum(one["networks"] for one in report["by_resolution"].values()) == 20
    assert report["csv"] == str(out)
    assert report["predictor"] == str(tmp_path / "tiny.accuracy.npz")
    assert set(report["by_resolution"]) == {"32", "48"}
    predictor = load_predictor(tmp_path / "tiny.accuracy.npz", SPACE)
    assert len(predictor.predict(np.array([SPACE.largest], np.int16))) == 1
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_every_accuracy_is_that_of_the_recalibrated_network(
    assignment: Assignment, supernet: Path, data: Path, tmp_path: Path
) -> None:
    assert evaluate(supernet, data, tmp_path / "e.csv").exit_code == 0
    evaluator = assignment.evaluator()
    for row in rows_of(tmp_path / "e.csv")[:4]:
        network = evaluator.network(SPACE.parse(row["subnetwork"]))
        assert float(row["top1"]) == evaluator.top1(network)


def test_a_killed_command_goes_on_and_ends_with_the_same_table(
    supernet: Path, data: Path, tmp_path: Path
) -> None:
    whole, out = tmp_path / "whole.csv", tmp_path / "killed.csv"
    assert evaluate(supernet, data, whole).exit_code == 0
    argv = [
        *(str(PROGRAM), "evaluate", "--supernet", str(supernet), "--data", str(data)),
        *("--count", "18", "--best", "6", "--out", str(out), "--recalibration-images", "9"),
        *("--device", "cpu"),
    ]
    with subprocess.Popen(argv, stderr=subprocess.DEVNULL, env=one_thread()) as running:
        wait_until(lambda: lines_in(out.with_suffix(".jsonl")) > 3)
        running.send_signal(signal.SIGKILL)
    assert not out.exists()
    journal = out.with_suffix(".jsonl")
    kept = journal.read_bytes()
    assert 3 < kept.count(b"\n") < 21 + 6
    assert evaluate(supernet, data, out).exit_code == 0
    assert journal.read_bytes().startswith(kept.rpartition(b"\n")[0])
    assert out.read_bytes() == whole.read_bytes()


def one_thread() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1"}


def test_two_processes_find_the_same_and_listen_to_this_host_alone(
    assignment: Assignment,
) -> None:
    wanted = drawn(4)
    evaluator = assignment.evaluator()
    expected = dict(evaluator.evaluate(wanted))
    found: dict[SubNetwork, Score] = {}
    with no_noise():
        for subnetwork, accuracy in Cluster(assignment, evaluator.subject, 2).evaluate(wanted):
            found[subnetwork] = accuracy
            assert listening() <= {"127.0.0.1"}
    assert found == expected


def listening() -> set[str]:
    """Return the addresses that this process and its children listen at."""
    me = psutil.Process()
    return {
        connection.laddr.ip
        for process in (me, *me.children(recursive=True))
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }


def test_a_killed_worker_loses_nothing(assignment: Assignment) -> None:
    wanted = drawn(10)
    evaluator = assignment.evaluator()
    found: dict[SubNetwork, Score] = {}
    with no_noise():
        for subnetwork, accuracy in Cluster(assignment, evaluator.subject, 2).evaluate(wanted):
            if not found:
                worker = next(
                    process
                    for process in psutil.Process().children(recursive=True)
                    if "spawn_main" in " ".join(process.cmdline())
                )
                worker.kill()
            found[subnetwork] = accuracy
    assert found == dict(evaluator.evaluate(wanted))


def test_a_workers_complaint_reaches_the_user(supernet: Path, tmp_path: Path) -> None:
    photos = draw_images(tmp_path / "photos", LABELS, 4)
    broken = photos / "red" / "2.jpg"
    broken.write_bytes(b"no image")
    with no_noise():
        many = evaluate(supernet, photos, tmp_path / "a.csv", "--workers", 2)
    one = evaluate(supernet, photos, tmp_path / "b.csv")
    assert one.complaint == many.complaint
    assert f"cannot read the image {broken}" in one.complaint


@contextmanager
def running_cluster(*, workers: int) -> Iterator[str]:
    """Start a scheduler and workers as a user would; yield the scheduler's address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    dask = [str(Path(sys.executable).with_name("dask"))]
    argvs = [
        [*dask, "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"],
        *[[*dask, "worker", address, "--nthreads", "1", "--no-dashboard"]] * workers,
    ]
    quiet = subprocess.DEVNULL
    started = [
        subprocess.Popen(argv, stdout=quiet, stderr=quiet, env=one_thread()) for argv in argvs
    ]
    try:
        yield address
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            process.wait(TIMEOUT_S)


def test_a_running_cluster_is_used_and_its_files_are_checked(
    assignment: Assignment, tmp_path: Path
) -> None:
    wanted = drawn(1)
    evaluator = assignment.evaluator()
    with no_noise(), running_cluster(workers=1) as address:
        cluster = Cluster(assignment, evaluator.subject, scheduler=address)
        assert dict(cluster.evaluate(wanted)) == dict(evaluator.evaluate(wanted))
        write_supernet(Path(assignment.supernet), seed=1)
        other = Cluster(assignment, assignment.evaluator().subject, scheduler=address)
        assert len(dict(other.evaluate(wanted))) == 3
        write_supernet(Path(assignment.supernet), seed=2)
        with pytest.raises(CheckpointError, match="a worker has another supernet"):
            list(cluster.evaluate(wanted))


def test_no_scheduler_is_a_sentence(
    assignment: Assignment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sartor.specializer.cluster.CONNECT_TIMEOUT_S", 1)
    subject, wanted = assignment.evaluator().subject, [SPACE.largest]
    for address in ("tcp://127.0.0.1:9", "nonsense://x"):
        with no_noise(), pytest.raises(DeviceUnreachableError, match="no Dask scheduler answers"):
            list(Cluster(assignment, subject, scheduler=address).evaluate(wanted))


def test_another_supernets_journal_is_refused(supernet: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "e.csv"
    assert evaluate(supernet, data, out).exit_code == 0
    before = out.read_bytes()
    other = write_supernet(tmp_path / "other.safetensors", seed=1)
    complaint = evaluate(other, data, out).complaint
    assert f"{out.with_suffix('.jsonl')} is of another supernet" in complaint
    assert out.read_bytes() == before


def test_images_come_from_where_they_should(supernet: Path, data: Path, tmp_path: Path) -> None:
    drawn = Assignment(str(supernet), data, recalibration_images=9).evaluator()
    assert (drawn.subject.calibration_images, drawn.subject.judged_images) == (9, 15)
    few = Assignment(str(supernet), data, recalibration_images=256).evaluator().subject
    assert (few.calibration_images, few.judged_images) == (12, 12)
    assert few.calibration_sha256 != few.judged_sha256
    draw_images(tmp_path / "split" / "train", LABELS, 5)
    draw_images(tmp_path / "split" / "val", LABELS, 2)
    split = Assignment(str(supernet), tmp_path / "split").evaluator().subject
    assert (split.calibration_images, split.judged_images) == (15, 6)
    named = Assignment(str(supernet), data, tmp_path / "split", 7).evaluator().subject
    assert (named.calibration_images, named.judged_images) == (7, 24)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DatasetError, match="too few images to recalibrate with"):
        Assignment(str(supernet), data, empty).evaluator()


def write_csv(path: Path, count: int = 60) -> Path:
    """Write evaluations whose accuracies follow from the sub-networks."""
    subnetworks = drawn(count)
    lines = [f"{SPACE.text(one)},{0.5 + 0.01 * float(np.mean(one))}" for one in subnetworks]
    path.write_text("\n".join(["subnetwork,top1", *lines]) + "\n")
    return path


def more(text: str, column: str, right: str, wrong: str) -> str:
    """Add a column with something wrong in its second row."""
    header, first, second, *rest = text.splitlines()
    return "\n".join([f"{header},{column}", f"{first},{right}", f"{second},{wrong}", *rest])


def test_a_table_is_enough(supernet: Path, tmp_path: Path) -> None:
    table, chosen = write_csv(tmp_path / "given.csv"), tmp_path / "chosen.npz"
    before = table.read_bytes()
    said = ("evaluate", "--supernet", supernet, "--from", table, "--predictor", chosen)
    report = sartor(*said, "--json").document
    assert report["networks"] == 62
    assert report["kendall_tau"] > 0.8
    assert [point["networks"] for point in report["learning_curve"]] == [25, 42]
    assert report["model"] == DEFAULT_MODEL == "ridge"
    predictor = load_predictor(chosen, SPACE)
    assert isinstance(predictor, MlpPredictor)
    assert predictor.space == SPACE
    assert table.read_bytes() == before
    text = sartor(*said).stdout
    assert "How many evaluations are needed" in text
    assert re.search(r"held-out Kendall tau +0\.\d{3}", text)


def test_a_model_can_be_named_or_chosen(supernet: Path, tmp_path: Path) -> None:
    table, chosen = write_csv(tmp_path / "given.csv", 24), tmp_path / "chosen.npz"
    said = ("evaluate", "--supernet", supernet, "--from", table, "--predictor", chosen, "--model")
    report = sartor(*said, "ridge", "--json").document
    assert (report["model"], list(report["models"])) == ("ridge", ["ridge"])
    assert MlpPredictor.load(chosen, SPACE).space == SPACE
    ridge = report["models"]["ridge"]["kendall_tau"]
    report = sartor(*said, "best", "--json").document
    taus = {name: found["kendall_tau"] for name, found in report["models"].items()}
    assert list(taus) == list(MODELS)
    assert taus["ridge"] == ridge
    assert report["kendall_tau"] == taus[report["model"]] == max(taus.values())
    text = sartor(*said, "best").stdout
    assert f"Compared by cross-validation; {report['model']} is kept" in text


def test_an_unknown_model_is_found_before_anything_is_evaluated(
    supernet: Path, data: Path, tmp_path: Path
) -> None:
    ended = evaluate(supernet, data, tmp_path / "e.csv", "--model", "linear")
    assert "no accuracy model 'linear'; known: gp, " in ended.complaint
    assert not (tmp_path / "e.jsonl").exists()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda text: "", "has no rows"),
        (lambda text: "a,b\n1,2\n", "has no column 'subnetwork'"),
        (lambda text: text.replace("top1", "top5"), "has no column 'top1'"),
        (lambda text: text.replace("32:", "31:", 1), "row 3: .*is no sub-network of"),
        (lambda text: text.replace(",0.5", ",x", 1), "row 2: could not convert"),
        (lambda text: more(text, "round", "0", "-1"), "row 3: round is -1; want 0 or more"),
        (lambda text: more(text, "round", "0", "one"), "row 3: invalid literal"),
        (lambda text: more(text, "images", "9", "0"), "row 3: images is 0; want 1 or more"),
        (lambda text: more(text, "log_likelihood", "-1", "2"), "row 3: log_likelihood is 2"),
        (lambda text: text.replace(",0.5", ",50.5", 1), "row 2: top1 is 50.5.*; want a fraction"),
        (lambda text: text.replace(",0.5", ",nan", 1).replace("nan", "nan,", 1), "row 2: top1"),
        (lambda text: text + text.partition("\n")[2], "given twice"),
        (lambda text: "\n".join(text.splitlines()[:9]), "evaluate at least 20"),
        (lambda text: "\0", "cannot read|no rows|no column"),
    ],
)
def test_a_bad_table_is_a_sentence(
    supernet: Path, tmp_path: Path, change: Callable[[str], str], complaint: str
) -> None:
    table = write_csv(tmp_path / "given.csv")
    table.write_text(change(table.read_text()))
    said = sartor("evaluate", "--supernet", supernet, "--from", table)
    assert re.search(complaint, said.complaint)
    assert not (tmp_path / "tiny.accuracy.npz").exists()


def test_wrong_usage_is_told(supernet: Path, data: Path, tmp_path: Path) -> None:
    assert sartor("evaluate", "--supernet", supernet).exit_code == 2
    both = sartor("evaluate", "--data", data, "--from", tmp_path / "x.csv")
    assert both.exit_code == 2
    missing = sartor("evaluate", "--supernet", supernet, "--from", tmp_path / "x.csv")
    assert "No such file" in missing.complaint
    strange = evaluate(supernet, data, tmp_path / "e.csv", "--device", "tpu")
    assert "no device of torch 'tpu'" in strange.complaint
    assert "not e.txt" in evaluate(supernet, data, tmp_path / "e.txt").complaint
    assert "no supernet" in evaluate(tmp_path / "none", data, tmp_path / "e.csv").complaint
    assert "cannot list" in evaluate(supernet, tmp_path / "none", tmp_path / "e.csv").complaint
