from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from sartor.specializer.checkpoint import Checkpoint, load_supernet, save_supernet
from sartor.specializer.train.recipe import Recipe
from sartor.specializer.train.recipe_file import load_recipe, recipe_from_text, recipe_text

from .chain import Finished, sartor
from .children import child, finish, wait_until
from .test_checks import Usage
from .torch_tools import SMALL, draw_images, random_supernet

CLASSES = ("blue", "green", "red")
PROGRAM = Path(sys.executable).with_name("sartor")
QUICK = ("--recipe", "smoke", "--width", "0.25", "--start", "random")
SMOKE = load_recipe("smoke")
PER_PHASE = 3
"""Steps: 36 images, of which four are held out and four validate, eight at a time."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_images(tmp_path_factory.mktemp("data") / "photos", CLASSES, 12)


@pytest.fixture(scope="module")
def undisturbed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of a run that nothing interrupted."""
    out = tmp_path_factory.mktemp("undisturbed") / "my.safetensors"
    assert train(data, out).exit_code == 0
    return out


def arguments(data: Path, out: Path, *options: object) -> list[str]:
    said = ("train", "--data", data, "--out", out, "--device", "cpu", *(options or QUICK))
    return [str(word) for word in said]


def train(data: Path, out: Path, *options: object) -> Finished:
    return sartor(*arguments(data, out, *options))


def run_of(out: Path) -> Path:
    return out.with_suffix(".run")


def logged(out: Path) -> list[tuple[str, int]]:
    lines = (run_of(out) / "log.jsonl").read_text().splitlines()
    return [(step["phase"], step["step"]) for step in map(json.loads, lines)]


def all_steps(recipe: Recipe = SMOKE) -> list[tuple[str, int]]:
    return [
        (phase.name, step)
        for phase in recipe.phases
        for step in range(1, phase.epochs * PER_PHASE + 1)
    ]


def lines_in(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def weights_of(out: Path) -> dict[str, Tensor]:
    """Everything that a run leaves: last weights, their average, and the file that is used."""
    last = torch.load(run_of(out) / "last.pt", weights_only=True)
    parts = {"file": load_file(out), "supernet": last["supernet"], "average": last["average"]}
    return {
        f"{part} {name}": value for part, state in parts.items() for name, value in state.items()
    }


def assert_same_run(out: Path, other: Path) -> None:
    found, expected = weights_of(out), weights_of(other)
    assert found.keys() == expected.keys()
    assert [name for name, value in found.items() if not torch.equal(value, expected[name])] == []
    assert logged(out) == logged(other)


def test_images_become_a_supernet_with_a_record(data: Path, undisturbed: Path) -> None:
    assert logged(undisturbed) == all_steps()
    checkpoint = load_supernet(undisturbed)
    assert checkpoint.labels == CLASSES
    assert checkpoint.supernet.spec == replace(SMALL, classes=3)
    assert recipe_from_text(checkpoint.metadata["recipe"]) == replace(
        SMOKE, width=0.25, start="random"
    )
    assert checkpoint.metadata["data"] == "photos"
    record = json.loads(undisturbed.with_name("my.record.json").read_text())
    texts = [row["subnetwork"] for row in record["subnetworks"]]
    space = SMALL.space
    assert texts[:2] == [space.text(space.largest), space.text(space.smallest)]
    assert len({*texts}) == 4
    assert all(row["top1"] in (0, 0.25, 0.5, 0.75, 1) for row in record["subnetworks"])
    curve = (run_of(undisturbed) / "curve.jsonl").read_text().splitlines()
    ends = [line["phase"] for line in map(json.loads, curve) if line["step"] is None]
    assert ends == [phase.name for phase in SMOKE.phases]


def test_a_finished_run_is_told_again_and_not_trained(data: Path, undisturbed: Path) -> None:
    before = (run_of(undisturbed) / "last.pt").read_bytes()
    weights = load_file(undisturbed)
    document = train(data, undisturbed, *QUICK, "--json").document
    assert document["recipe"] == "smoke"
    assert len(document["subnetworks"]) == 4
    assert document["predictor"] is None
    assert (run_of(undisturbed) / "last.pt").read_bytes() == before
    assert logged(undisturbed) == all_steps()
    assert all(torch.equal(value, weights[n]) for n, value in load_file(undisturbed).items())
    said = train(data, undisturbed)
    assert "2 random ones" in said.stdout
    assert f"sartor specialize --supernet {undisturbed}" in said.stderr


def test_the_recipe_can_be_read_before_it_is_followed(tmp_path: Path) -> None:
    said = sartor(
        *("train", "--print-recipe", "--recipe", "smoke", "--resolution", 96, "--resolution", 64),
        *("--width", 0.5, "--seed", 7, "--teacher", "none", "--region", "resolution=64"),
    )
    assert said.exit_code == 0
    assert recipe_from_text(said.stdout) == replace(
        SMOKE, resolutions=(64, 96), width=0.5, seed=7, teacher="none", region="resolution=64"
    )
    mine = tmp_path / "mine.toml"
    mine.write_text(said.stdout)
    assert sartor("train", "--print-recipe", "--recipe", mine).stdout == said.stdout


def test_wrong_usage_is_told(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "my.safetensors"
    assert sartor("train", "--data", data).exit_code == 2
    assert sartor("train", "--out", out).exit_code == 2
    assert train(data, out, "--threads", 0).exit_code == 2
    assert "NAME.safetensors, not" in train(data, tmp_path / "my.pt").complaint
    for options, complaint in (
        (("--recipe", "smok"), "no recipe 'smok'; did you mean 'smoke'?"),
        ((*QUICK, "--supernet", "ofa-mbv4"), "no kind of supernet 'ofa-mbv4'"),
        ((*QUICK, "--device", "gpu"), "no device of torch 'gpu'"),
        ((*QUICK, "--precision", "float16"), "no precision 'float16'"),
        ((*QUICK, "--width", "-1"), "width must be positive"),
        ((*QUICK, "--start", "nobody"), "no supernet 'nobody'"),
        ((*QUICK, "--teacher", "nobody"), "no supernet 'nobody'"),
        ((*QUICK, "--teacher", tmp_path / "no.onnx"), "there is no file"),
        ((*QUICK, "--teacher", "efficientnet-lite0"), "are others); choose another --teacher"),
        ((*QUICK, "--region", "stage9.depth=2"), "cannot be split by 'stage9.depth'"),
        ((*QUICK, "--region", "stage3.depth=2"), "the phase full has no sub-network in the region"),
        ((*QUICK, "--split", "resolution"), "no supernet"),
    ):
        assert complaint in train(data, out, *options).complaint
    assert not out.exists()


def empty_a_class(root: Path) -> None:
    for path in (root / "train" / "green").iterdir():
        path.unlink()


def forget_a_class(root: Path) -> None:
    shutil.rmtree(root / "val" / "green")


def break_an_image(root: Path) -> None:
    path = root / "val" / "red" / "3.jpg"
    path.write_bytes(path.read_bytes()[:300])


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (empty_a_class, "train/green has no images; put some there"),
        (forget_a_class, "val has no folder for the class green"),
        (break_an_image, "val/red/3.jpg (Truncated File Read); replace or remove it"),
        (lambda root: shutil.rmtree(root / "val"), "has train/ but no val/"),
        (shutil.rmtree, "cannot list"),
    ],
)
def test_bad_images_are_told_before_training(
    spoil: Callable[[Path], None], complaint: str, data: Path, tmp_path: Path
) -> None:
    for part in ("train", "val"):
        shutil.copytree(data, tmp_path / "photos" / part)
    spoil(tmp_path / "photos")
    out = tmp_path / "my.safetensors"
    assert complaint in train(tmp_path / "photos", out).complaint
    assert not out.exists()
    assert not (run_of(out) / "log.jsonl").exists()


def test_too_few_images_for_a_batch_are_told(tmp_path: Path) -> None:
    few = draw_images(tmp_path / "photos", CLASSES, 3)
    complaint = train(few, tmp_path / "my.safetensors").complaint
    assert "7 images are fewer than one batch of 8" in complaint


def test_too_little_disk_is_told_before_training(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "my.safetensors"
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(9, 9, 30_000_000))
    assert "has 30 MB left and the run wants" in train(data, out).complaint
    assert list(tmp_path.iterdir()) == []


def test_another_recipes_run_is_refused(data: Path, undisturbed: Path) -> None:
    before = weights_of(undisturbed)
    complaint = train(data, undisturbed, *QUICK, "--seed", 1).complaint
    assert f"{run_of(undisturbed)} holds a run of another recipe" in complaint
    assert all(torch.equal(value, before[n]) for n, value in weights_of(undisturbed).items())


def test_a_damaged_checkpoint_is_refused(data: Path, undisturbed: Path, tmp_path: Path) -> None:
    shutil.copytree(run_of(undisturbed), tmp_path / "my.run")
    last = tmp_path / "my.run" / "last.pt"
    last.write_bytes(last.read_bytes()[:-1000])
    complaint = train(data, tmp_path / "my.safetensors").complaint
    assert "last.pt cannot be resumed" in complaint
    assert "remove it to start the run anew" in complaint


def test_weights_that_are_all_but_infinite_end_in_a_sentence(data: Path, tmp_path: Path) -> None:
    huge = random_supernet()
    for name, value in huge.state_dict().items():
        if not name.endswith("_matrix"):
            value.mul_(60_000.0 / value.abs().max())  # which half precision can just hold
    start, out = tmp_path / "huge.safetensors", tmp_path / "my.safetensors"
    save_supernet(Checkpoint("huge", huge, CLASSES), start)
    complaint = train(data, out, *QUICK, "--start", start).complaint
    assert "impossible values" in complaint or "lower the learning rate" in complaint


def test_after_no_number_the_last_checkpoint_is_good(data: Path, tmp_path: Path) -> None:
    full = SMOKE.phases[0]
    phases = (full, replace(full, name="wild", learning_rate=1e30))
    recipe = replace(SMOKE, width=0.25, start="random", phases=phases)
    mine, out = tmp_path / "mine.toml", tmp_path / "my.safetensors"
    mine.write_text(recipe_text(recipe))
    options = ("--recipe", mine, "--checkpoint-every-s", 0)
    assert "of wild; the last checkpoint is kept" in train(data, out, *options).complaint
    assert logged(out)[:PER_PHASE] == [("full", step) for step in (1, 2, 3)]
    load_supernet(out)
    tame = replace(recipe, phases=(full, replace(phases[1], learning_rate=1e-3)))
    mine.write_text(recipe_text(tame))
    (run_of(out) / "recipe.toml").write_text(recipe_text(tame))
    assert train(data, out, *options).exit_code == 0


def test_regions_are_fine_tuned_beside_their_supernet(
    data: Path, undisturbed: Path, tmp_path: Path
) -> None:
    out, mine = tmp_path / "my.safetensors", tmp_path / "mine.toml"
    shutil.copy(undisturbed, out)
    before = out.read_bytes()
    recipe = replace(load_recipe("region"), batch_size=8)
    phases = (replace(recipe.phases[0], epochs=1),)
    mine.write_text(recipe_text(replace(recipe, phases=phases)))
    said = train(data, out, "--recipe", mine, "--split", "resolution")
    assert said.exit_code == 0, said.stderr
    assert "its 2 regions are one supernet now" in said.stderr
    assert out.read_bytes() == before
    for index, size in enumerate((32, 48)):
        part = load_supernet(tmp_path / f"my.region-{index}.safetensors")
        assert part.metadata["region"] == f"resolution={size}"
        assert part.labels == CLASSES


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_and_the_same_command_goes_on(
    number: signal.Signals, data: Path, undisturbed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "my.safetensors"
    with child(PROGRAM, *arguments(data, out)) as program:
        wait_until(lambda: lines_in(run_of(out) / "log.jsonl") >= 4)
        program.send_signal(number)
        stderr = finish(program)
    assert program.returncode == 130
    assert f"stopped; {out} can be used as it is, and the same command goes on" in stderr
    assert "Traceback" not in stderr
    done = len(logged(out))
    assert 4 <= done < len(all_steps())
    assert load_supernet(out).labels == CLASSES
    assert train(data, out).exit_code == 0
    assert_same_run(out, undisturbed)


def killed(
    data: Path, out: Path, options: tuple[str, ...], kills: int, seed: int
) -> tuple[int, int]:
    """Start the command again and again, and kill it at random moments.

    Returns how often it died, and how often a checkpoint was half-written then.

    One in three falls while a checkpoint is being written, one on the way to the first step.
    """
    rng, run, deaths, torn = random.Random(seed), run_of(out), 0, 0
    for index in range(kills):
        before = (run / "log.jsonl").stat().st_mtime_ns if (run / "log.jsonl").exists() else 0
        with child(PROGRAM, *arguments(data, out, *options)) as program:
            if index % 3 == 0:
                wait_until(lambda: any(run.glob(".last.pt.*.part")) or program.poll() is not None)
            elif index % 3 == 1:
                time.sleep(rng.uniform(0, 4))
            else:
                log = run / "log.jsonl"
                wait_until(lambda: log.exists() and log.stat().st_mtime_ns != before)  # noqa: B023
                time.sleep(rng.uniform(0, 1))
            program.kill()
            program.wait()
        deaths += program.returncode == -signal.SIGKILL
        torn += any(run.glob(".last.pt.*.part"))
    return deaths, torn


def test_killed_three_times_it_comes_to_the_same_weights(
    data: Path, undisturbed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "my.safetensors"
    options = (*QUICK, "--checkpoint-every-s", "0.2")
    deaths, _ = killed(data, out, options, kills=3, seed=0)
    assert deaths == 3
    said = train(data, out, *options)
    assert said.exit_code == 0, said.stderr
    assert_same_run(out, undisturbed)
    assert not list(tmp_path.rglob(".*.part"))


@pytest.mark.slow
def test_killed_twenty_times_it_comes_to_the_same_weights(data: Path, tmp_path: Path) -> None:
    phases = tuple(replace(phase, epochs=10) for phase in SMOKE.phases)
    mine = tmp_path / "mine.toml"
    mine.write_text(recipe_text(replace(SMOKE, width=0.25, start="random", phases=phases)))
    options = ("--recipe", str(mine), "--checkpoint-every-s", "0.5")
    plain, out = tmp_path / "plain" / "my.safetensors", tmp_path / "killed" / "my.safetensors"
    assert train(data, plain, *options).exit_code == 0
    assert logged(plain) == all_steps(load_recipe(str(mine)))
    deaths, torn = killed(data, out, options, kills=20, seed=1)
    assert deaths == 20
    assert torn > 0
    load_supernet(out)
    assert train(data, out, *options).exit_code == 0
    assert_same_run(out, plain)
    assert not list(tmp_path.rglob(".*.part"))


@pytest.mark.slow
def test_a_signal_stops_the_finishing_stages_too(data: Path, tmp_path: Path) -> None:
    many = replace(SMOKE.finish, evaluated=200, evaluated_best=0)
    mine, out = tmp_path / "mine.toml", tmp_path / "my.safetensors"
    mine.write_text(recipe_text(replace(SMOKE, width=0.25, start="random", finish=many)))
    evaluations = run_of(out) / "evaluations.jsonl"
    with child(PROGRAM, *arguments(data, out, "--recipe", mine)) as program:
        wait_until(lambda: lines_in(evaluations) > 5)
        program.send_signal(signal.SIGTERM)
        stderr = finish(program)
    assert program.returncode == 130
    assert "Traceback" not in stderr
    begun = evaluations.read_bytes()
    assert 5 < lines_in(evaluations) < 200
    document = train(data, out, "--recipe", mine, "--json").document
    assert document["predictor"]["networks"] == 200
    assert evaluations.read_bytes().startswith(begun)
    assert logged(out) == all_steps()


def torchrun(
    data: Path, out: Path, *options: object
) -> AbstractContextManager[subprocess.Popen[str]]:
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "--")
    command = (*launcher, "sartor.specializer.cli", *arguments(data, out, *options))
    return child(sys.executable, *command)


@pytest.mark.slow
def test_two_processes_stop_together_and_go_on(data: Path, tmp_path: Path) -> None:
    plain, out = tmp_path / "plain" / "my.safetensors", tmp_path / "stopped" / "my.safetensors"
    options = (*QUICK, "--checkpoint-every-s", "0.1")
    with torchrun(data, plain, *options) as program:
        stderr = finish(program)
    assert program.returncode == 0, stderr
    with torchrun(data, out, *options) as program:
        wait_until(lambda: lines_in(run_of(out) / "log.jsonl") >= 3)
        program.terminate()
        stderr = finish(program)
    assert stderr.count(f"stopped; {out} can be used as it is") == 1
    assert "forcefully exiting" not in stderr
    assert 3 <= len(logged(out)) < len(all_steps())
    load_supernet(out)
    with torchrun(data, out, *options) as program:
        stderr = finish(program)
    assert program.returncode == 0, stderr
    assert_same_run(out, plain)


@pytest.mark.slow
def test_two_processes_give_up_with_a_sentence(data: Path, tmp_path: Path) -> None:
    broken = tmp_path / "photos"
    shutil.copytree(data, broken)
    (broken / "red" / "3.jpg").write_bytes(b"")
    with torchrun(broken, tmp_path / "my.safetensors") as program:
        stderr = finish(program)
    assert program.returncode == 1
    assert stderr.count("sartor: cannot read the image") == 1
    assert "Error:" not in stderr.replace("ChildFailedError:", "")
