from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from sartor.specializer.evaluate import LabelledPixels, decode, top1, torch_device
from sartor.specializer.evaluations import Evaluator, evaluate_all, weights_sha256
from sartor.specializer.images import ImageFolder
from sartor.specializer.space import SubNetwork
from sartor.tables.errors import CheckpointError, DatasetError, OutputError, RuntimeMissingError

from .torch_tools import SMALL, draw_images, random_supernet

SPACE = SMALL.space


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> ImageFolder:
    folder = tmp_path_factory.mktemp("images")
    return ImageFolder.scan(draw_images(folder / "all", ("blue", "green", "red"), 6))


@pytest.fixture(scope="module")
def parts(images: ImageFolder) -> tuple[ImageFolder, ImageFolder]:
    """Images to recalibrate with, images to judge on."""
    return images.split(9, 0)


def evaluator(parts: tuple[ImageFolder, ImageFolder], seed: int = 0) -> Evaluator:
    return Evaluator(random_supernet(seed=seed), *parts)


def some(count: int) -> list[SubNetwork]:
    return [tuple(row) for row in SPACE.random(count, np.random.default_rng(0)).tolist()]


def test_accuracies_are_those_of_the_network_as_it_runs(
    parts: tuple[ImageFolder, ImageFolder],
) -> None:
    judge = evaluator(parts)
    for subnetwork, found in judge.evaluate(some(4)):
        network = judge.network(subnetwork)
        images = decode(parts[1], network.resolution)
        (batch,) = images.batches()
        logits = network.run(batch)
        right = logits.argmax(1) == images.labels
        assert found.top1 == pytest.approx(float(right.double().mean()))
        assert found.top1 == top1(network, images)
        chances = logits.double().log_softmax(1)[range(len(logits)), images.labels]
        assert found.log_likelihood == pytest.approx(float(chances.mean()), rel=1e-4)


def test_batches_for_recalibration_are_of_nearly_one_size() -> None:
    pixels = torch.zeros(129, 3, 2, 2, dtype=torch.uint8)
    sizes = [len(batch) for batch in LabelledPixels(pixels, torch.zeros(129)).batches()]
    assert sizes == [43, 43, 43]


def test_a_journal_is_gone_on_with(parts: tuple[ImageFolder, ImageFolder], tmp_path: Path) -> None:
    judge, journal, wanted = evaluator(parts), tmp_path / "new" / "journal.jsonl", some(5)
    reports: list[int] = []
    whole = evaluate_all(judge, random_supernet(), wanted, journal, reports.append)
    assert list(whole) == wanted
    assert reports == [0, 1, 2, 3, 4, 5]
    lines = journal.read_bytes().splitlines(keepends=True)
    assert json.loads(lines[1]) == {
        "subnetwork": SPACE.text(wanted[0]),
        "top1": whole[wanted[0]].top1,
        "log_likelihood": whole[wanted[0]].log_likelihood,
        "images": 9,
    }
    for torn in (b"".join(lines[:3]) + lines[3][:20], lines[0][:30], b""):
        journal.write_bytes(torn)
        assert evaluate_all(judge, random_supernet(), wanted, journal) == whole
        assert journal.read_bytes() == b"".join(lines)


def test_what_the_journal_knows_is_not_evaluated_again(
    parts: tuple[ImageFolder, ImageFolder], tmp_path: Path
) -> None:
    journal, wanted = tmp_path / "journal.jsonl", some(2)
    evaluate_all(evaluator(parts), random_supernet(), wanted, journal)
    changed = journal.read_text().replace('"images": 9', '"note": "by hand", "images": 9')
    changed = changed.replace('"top1": ', '"top1": 0.25, "was": ')
    journal.write_text(changed)
    known = evaluate_all(evaluator(parts), random_supernet(), wanted, journal)
    assert {score.top1 for score in known.values()} == {0.25}
    assert journal.read_text() == changed


def test_a_journal_of_something_else_is_refused(
    images: ImageFolder, parts: tuple[ImageFolder, ImageFolder], tmp_path: Path
) -> None:
    journal, (calibration, judged) = tmp_path / "journal.jsonl", parts
    evaluate_all(evaluator(parts), random_supernet(), some(1), journal)
    before = journal.read_bytes()
    for other, complaint in (
        (evaluator(parts, seed=1), "another supernet"),
        (Evaluator(random_supernet(), calibration, images), "other judged images"),
        (Evaluator(random_supernet(), judged, judged), "other images to recalibrate with"),
    ):
        with pytest.raises(CheckpointError, match=f"is of {complaint}.*name another --out"):
            evaluate_all(other, random_supernet(), some(1), journal)
    for nonsense in (b"nonsense", b"nonsense\n", b"{}\n", before + b"{}\n", before + b"\xff\n"):
        journal.write_bytes(nonsense)
        with pytest.raises(CheckpointError, match="is no journal of evaluations"):
            evaluate_all(evaluator(parts), random_supernet(), some(1), journal)
        assert journal.read_bytes() == nonsense


def test_a_journal_has_one_writer(parts: tuple[ImageFolder, ImageFolder], tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"

    def meanwhile(done: int) -> None:
        with pytest.raises(OutputError, match="another process is writing"):
            evaluate_all(evaluator(parts), random_supernet(), some(1), journal)

    evaluate_all(evaluator(parts), random_supernet(), some(1), journal, meanwhile)
    with pytest.raises(OutputError, match=r"cannot write .*Is a directory; name another"):
        evaluate_all(evaluator(parts), random_supernet(), some(1), tmp_path)


def test_the_digest_is_of_every_weight_and_of_nothing_that_is_gathered_anew() -> None:
    supernet = random_supernet()
    digest = weights_sha256(supernet)
    assert digest == weights_sha256(random_supernet())
    state = supernet.state_dict()
    matrices = [name for name in state if name.endswith("_matrix")]
    for name in {*list(state)[::15], *matrices[::9]}:
        value = state[name]
        kept = value.clone()
        value.view(-1)[-1] += 1
        same = name.endswith(("running_mean", "running_var"))
        assert (weights_sha256(supernet) == digest) == same, name
        value.copy_(kept)
    assert weights_sha256(supernet) == digest


def test_an_unreadable_image_is_named(tmp_path: Path) -> None:
    folder = ImageFolder.scan(draw_images(tmp_path / "images", ("a", "b"), 3))
    folder.paths[4].write_bytes(b"no image")
    with pytest.raises(DatasetError, match=str(folder.paths[4])):
        decode(folder, 32)


def test_devices_have_torchs_names() -> None:
    assert torch_device("cpu") == "cpu"
    there = torch.cuda.is_available()
    assert torch_device("auto") == ("cuda" if there else "cpu")
    if not there:
        with pytest.raises(RuntimeMissingError, match="take --device cpu"):
            torch_device("cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_finds_the_same_accuracies(parts: tuple[ImageFolder, ImageFolder]) -> None:
    supernet = random_supernet()
    on_cpu = dict(Evaluator(supernet, *parts).evaluate(some(4)))
    for where in ("cpu", "cuda"):
        on_gpu = dict(Evaluator(supernet.to(where), *parts, "cuda").evaluate(some(4)))
        assert on_gpu == pytest.approx(on_cpu, abs=0.12)  # an image of nine may turn
