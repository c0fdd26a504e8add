from __future__ import annotations

import copy
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as functional
from torch import Tensor

from sartor.specializer.checkpoint import Checkpoint, save_supernet
from sartor.specializer.images import ImageFolder
from sartor.specializer.region import Region
from sartor.specializer.supernets.elastic import ElasticMobileNetV3
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.specializer.train.batches import Batch, batches
from sartor.specializer.train.log import Step
from sartor.specializer.train.photos import FilePhotos, MemoryPhotos
from sartor.specializer.train.process import Process, choose_device
from sartor.specializer.train.recipe import Phase, Recipe
from sartor.specializer.train.recipe_file import load_recipe, recipe_text
from sartor.specializer.train.sandwich import Sandwich
from sartor.specializer.train.start import start
from sartor.specializer.train.state import TrainingState
from sartor.specializer.train.trainer import Watch, train
from sartor.tables.errors import (
    CheckpointError,
    DatasetError,
    FormatError,
    OutputError,
    UnknownNameError,
)

from .children import child, finish, kill_tree, wait_until
from .torch_tools import SMALL, draw_images, random_images, random_supernet

CLASSES = ("blue", "green", "red")
IMAGES = 18  # two steps of eight in each of the four phases, and two images left over
QUICK = replace(load_recipe("smoke"), width=0.25, start="random")
PHASES = [phase.name for phase in QUICK.phases]
STEPS = [(name, step) for name in PHASES for step in (1, 2)]
WIDE = replace(QUICK, phases=(Phase("wide", 1, 1e-3),))
SPACE = SMALL.space

CHILD = """
import itertools
import sys
from pathlib import Path
import torch
from sartor.specializer.images import ImageFolder
from sartor.specializer.train.process import join
from sartor.specializer.train.recipe_file import load_recipe
from sartor.specializer.train.trainer import Watch, train

torch.set_num_threads(1)
photos, run, recipe, tell, stop_after = sys.argv[1:]
with join("cpu") as process:
    steps = itertools.count(1)
    watch = (
        Watch(checkpoint_every_s=0)
        if process.first
        else Watch(stop=lambda: next(steps) >= int(stop_after), checkpoint_every_s=1e9)
    )
    state = train(load_recipe(recipe), ImageFolder.scan(Path(photos)), Path(run), watch, process)
torch.save(state.supernet.state_dict(), f"{tell}{process.rank}")
"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> ImageFolder:
    root = tmp_path_factory.mktemp("photos")
    return ImageFolder.scan(draw_images(root / "train", CLASSES, IMAGES // 3))


@pytest.fixture(scope="module")
def finished(photos: ImageFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing interrupted."""
    run = tmp_path_factory.mktemp("finished")
    train(QUICK, photos, run)
    return run


def logged(run: Path) -> list[tuple[str, int]]:
    lines = map(json.loads, (run / "log.jsonl").read_text().splitlines())
    return [(line["phase"], line["step"]) for line in lines]


def losses(run: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (run / "log.jsonl").read_text().splitlines()]


def saved(run: Path, part: str = "supernet") -> dict[str, Tensor]:
    weights: dict[str, Tensor] = torch.load(run / "last.pt", weights_only=True)[part]
    return weights


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    assert [name for name, value in found.items() if not torch.equal(value, expected[name])] == []


def same_result(run: Path, other: Path) -> None:
    for part in ("supernet", "average"):
        assert_same(saved(run, part), saved(other, part))


def after(count: int) -> Callable[[], bool]:
    """Ask to stop after so many steps."""
    asked = iter(range(1, 1000))
    return lambda: next(asked) >= count


def initial(recipe: Recipe) -> ElasticMobileNetV3:
    torch.manual_seed(recipe.seed)
    return ElasticMobileNetV3(MobileNetV3(recipe.width, 3, recipe.resolutions))


def test_a_run_does_every_step_and_leaves_finite_weights(finished: Path) -> None:
    assert logged(finished) == STEPS
    for part in ("supernet", "average"):
        assert all(value.isfinite().all() for value in saved(finished, part).values())
    assert (finished / "recipe.toml").read_text() == recipe_text(QUICK)
    names = {path.name for path in finished.iterdir()}
    assert names == {"last.pt", "log.jsonl", "recipe.toml"}


def test_stopped_after_every_step_it_comes_to_the_same_weights(
    photos: ImageFolder, finished: Path, tmp_path: Path
) -> None:
    runs = 0
    while train(QUICK, photos, tmp_path, Watch(stop=after(1))).phase < len(PHASES):
        runs += 1
        assert logged(tmp_path) == STEPS[: len(logged(tmp_path))]
    assert runs >= len(STEPS)
    assert logged(tmp_path) == STEPS
    same_result(tmp_path, finished)


@pytest.mark.parametrize("threads", [2, 4])
def test_threads_change_nothing(
    threads: int, photos: ImageFolder, finished: Path, tmp_path: Path
) -> None:
    train(QUICK, photos, tmp_path, threads=threads)
    same_result(tmp_path, finished)


def test_a_log_behind_its_checkpoint_is_written_again(
    photos: ImageFolder, finished: Path, tmp_path: Path
) -> None:
    train(QUICK, photos, tmp_path, Watch(stop=after(3)))
    with (tmp_path / "log.jsonl").open("a") as log:  # as a kill between log and checkpoint leaves
        log.write(json.dumps({"phase": "kernel", "step": 2, "loss": 1.0}) + "\n")
        log.write('{"phase": "dep')
    (tmp_path / ".last.pt.01234567.part").write_bytes(b"half")
    train(QUICK, photos, tmp_path)
    assert logged(tmp_path) == STEPS
    same_result(tmp_path, finished)
    assert not list(tmp_path.glob(".*"))


def test_a_finished_run_is_not_trained_again(photos: ImageFolder, finished: Path) -> None:
    before = (finished / "last.pt").read_bytes()
    watch = Watch(step=lambda step: pytest.fail(f"trained {step}"))
    state = train(QUICK, photos, finished, watch)
    assert (finished / "last.pt").read_bytes() == before
    assert_same(state.supernet.state_dict(), saved(finished))
    assert logged(finished) == STEPS


def test_another_recipes_run_is_refused(photos: ImageFolder, finished: Path) -> None:
    before = (finished / "recipe.toml").read_bytes()
    with pytest.raises(CheckpointError, match="holds a run of another recipe; choose another"):
        train(replace(QUICK, seed=1), photos, finished)
    assert (finished / "recipe.toml").read_bytes() == before


def test_a_folder_where_nothing_was_reached_is_free(photos: ImageFolder, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(recipe_text(QUICK))
    train(WIDE, photos, tmp_path)
    assert (tmp_path / "recipe.toml").read_text() == recipe_text(WIDE)


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"hello" * 100])
def test_a_corrupt_checkpoint_is_refused(
    content: bytes, photos: ImageFolder, tmp_path: Path
) -> None:
    (tmp_path / "last.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"cannot be resumed.*remove it") as caught:
        train(QUICK, photos, tmp_path)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "last.pt").read_bytes() == content


def test_other_checkpoints_are_refused(photos: ImageFolder, finished: Path, tmp_path: Path) -> None:
    whole = (finished / "last.pt").read_bytes()
    (tmp_path / "last.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="cannot be resumed"):
        train(QUICK, photos, tmp_path)
    (tmp_path / "last.pt").write_bytes(whole)
    (tmp_path / "recipe.toml").unlink()
    with pytest.raises(CheckpointError, match="cannot be resumed") as caught:
        train(replace(QUICK, width=0.5), photos, tmp_path)
    assert "\n" not in str(caught.value)


def test_requests_that_cannot_be_met(photos: ImageFolder, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="18 images are fewer than one batch of 19"):
        train(replace(QUICK, batch_size=19), photos, tmp_path / "run")
    phases = (*WIDE.phases, replace(WIDE.phases[0], name="more", batch_size=20))
    with pytest.raises(DatasetError, match="18 images are fewer than one batch of 20"):
        train(replace(QUICK, phases=phases), photos, tmp_path / "run")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        train(QUICK, photos, tmp_path / "file" / "run")


@pytest.mark.parametrize(("world", "count"), [(3, 8), (8, 8), (2, 7)])
def test_a_batch_that_cannot_be_dealt_is_refused(
    world: int, count: int, photos: ImageFolder, tmp_path: Path
) -> None:
    recipe = replace(QUICK, batch_size=count)
    with pytest.raises(FormatError, match=f"a batch of {count} cannot be dealt to {world} proc"):
        train(recipe, photos, tmp_path / "run", process=Process(world=world))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("region", "complaint"),
    [
        ("depth=2", "cannot be split by 'depth': resolution, stage1.depth"),
        ("resolution=33", "resolution of .* cannot be '33': 32, 48"),
        ("stage3.depth=", "stage3.depth of .* cannot be '': 2, 3, 4"),
        ("stage3.depth=2", "the phase full has no sub-network in the region stage3.depth=2"),
    ],
)
def test_a_region_that_is_none_is_told(
    region: str, complaint: str, photos: ImageFolder, tmp_path: Path
) -> None:
    with pytest.raises(FormatError, match=complaint):
        train(replace(QUICK, region=region), photos, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_last_phase_that_has_nothing_to_train_is_told_at_once(
    photos: ImageFolder, tmp_path: Path
) -> None:
    wide = WIDE.phases[0]
    phases = (wide, replace(wide, name="deep", min_depth=3))
    with pytest.raises(FormatError, match="the phase deep has no sub-network in the region"):
        train(replace(WIDE, phases=phases, region="stage1.depth=2"), photos, tmp_path / "run")
    phases = (wide, replace(wide, name="one", only=(SPACE.text(SPACE.largest), "32:nonsense")))
    with pytest.raises(FormatError, match="'32:nonsense' is no sub-network of"):
        train(replace(WIDE, phases=phases), photos, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_only_a_regions_sub_networks_are_computed(photos: ImageFolder, tmp_path: Path) -> None:
    recipe = replace(WIDE, region="stage3.depth=2", phases=(Phase("wide", 2, 1e-3),))
    found = [one for batch in all_batches(recipe, photos) for one in batch.subnetworks]
    region = Region.parse(recipe.region, SPACE)
    assert len(found) == 4
    assert region.contains(SPACE, np.array(found, np.int16)).all()
    state = train(recipe, photos, tmp_path)
    before = initial(recipe).state_dict()
    after_training = state.supernet.state_dict()
    cut = [name for name in before if name.startswith(("blocks.11.", "blocks.12."))]
    assert len(cut) > 20  # the third and fourth block of the third stage
    assert_same({n: after_training[n] for n in cut}, {n: before[n] for n in cut})
    assert not torch.equal(
        *(s["blocks.10.conv.point_linear.conv.conv.weight"] for s in (before, after_training))
    )


def test_one_sub_network_alone_leaves_all_others_weights(
    photos: ImageFolder, tmp_path: Path
) -> None:
    phase = replace(WIDE.phases[0], only=(SPACE.text(SPACE.smallest),), epochs=2)
    recipe = replace(WIDE, phases=(phase,), weight_decay=0.0)
    other = random_supernet()  # where nothing is zero, so whatever has a gradient is had
    loss = sum(value.square().sum() for value in other.weights(SPACE.smallest).values())
    assert isinstance(loss, Tensor)
    torch.autograd.backward(loss)
    trained = dict(train(recipe, photos, tmp_path).supernet.named_parameters())
    before = dict(initial(recipe).named_parameters())
    moved = kept = 0
    for name, value in other.named_parameters():
        outside = torch.ones_like(value) > 0 if value.grad is None else value.grad == 0
        assert torch.equal(trained[name][outside], before[name][outside]), name
        kept += int(outside.sum())
        moved += int((trained[name] != before[name]).sum())
    assert kept > 100_000
    assert moved > 10_000


def test_a_corrupt_image_is_named(tmp_path: Path) -> None:
    broken = draw_images(tmp_path / "train", ("blue", "red"), 8)
    for path in (broken / "red").iterdir():
        path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(DatasetError, match=r"cannot read the image .*/red/"):
        train(QUICK, ImageFolder.scan(broken), tmp_path / "run")


def test_a_loss_that_is_no_number_ends_the_run(photos: ImageFolder, tmp_path: Path) -> None:
    good, bad = Phase("good", 1, 1e-3), Phase("bad", 4, 1e30)
    recipe = replace(QUICK, phases=(good, bad))
    with pytest.raises(DatasetError, match=r"at step \d of bad; the last checkpoint") as caught:
        train(recipe, photos, tmp_path, Watch(checkpoint_every_s=0))
    assert "\n" not in str(caught.value)
    assert "lower the learning rate" in str(caught.value)
    whole = torch.load(tmp_path / "last.pt", weights_only=True)
    assert (whole["phase"], whole["step"]) == (1, 0)
    for part in ("supernet", "average"):
        assert all(value.half().isfinite().all() for value in whole[part].values())
    before = (tmp_path / "last.pt").read_bytes()
    with pytest.raises(DatasetError, match="the last checkpoint is kept"):
        train(recipe, photos, tmp_path)
    assert (tmp_path / "last.pt").read_bytes() == before


def test_weights_beyond_half_precision_are_not_kept(photos: ImageFolder, tmp_path: Path) -> None:
    recipe = replace(QUICK, phases=(Phase("bad", 1, 1e30),))
    with pytest.raises(DatasetError, match="the weights are beyond all bounds at step 1 of bad"):
        train(recipe, photos, tmp_path, Watch(checkpoint_every_s=0))
    assert not (tmp_path / "last.pt").exists()


def snapshots(recipe: Recipe, photos: ImageFolder, run: Path) -> list[TrainingState]:
    """Return copies of the state after each step, and at the end once more."""
    found: list[TrainingState] = []
    train(
        recipe,
        photos,
        run,
        Watch(kept=lambda state: found.append(copy.deepcopy(state)), checkpoint_every_s=0),
    )
    return found


def test_the_average_is_the_recursion(photos: ImageFolder, tmp_path: Path) -> None:
    recipe = replace(WIDE, average_decay=0.25, phases=(Phase("wide", 3, 1e-2),))
    found = snapshots(recipe, photos, tmp_path)
    assert [state.step for state in found] == [1, 2, 3, 4, 5, 6, 0]
    average: dict[str, Tensor] = dict(initial(recipe).named_parameters())
    # (1 + step) / (10 + step), until it reaches the recipe's
    for decay, state in zip((0.1, 2 / 11, 0.25, 0.25, 0.25, 0.25, 1.0), found, strict=True):
        weights = dict(state.supernet.named_parameters())
        average = {n: decay * v + (1 - decay) * weights[n] for n, v in average.items()}
        for name, value in state.average.named_parameters():
            torch.testing.assert_close(value, average[name].detach(), rtol=1e-5, atol=1e-6)
            assert not value.requires_grad


def test_without_decay_the_average_is_the_weights(photos: ImageFolder, tmp_path: Path) -> None:
    for state in snapshots(replace(WIDE, average_decay=0.0), photos, tmp_path):
        assert_same(state.average.state_dict(), state.supernet.state_dict())


def test_each_phase_averages_anew(photos: ImageFolder, tmp_path: Path) -> None:
    phases = (Phase("far", 1, 1e-2), Phase("near", 1, 1e-12))
    found = snapshots(replace(WIDE, phases=phases, weight_decay=0.0), photos, tmp_path)
    for name, value in found[-1].average.named_parameters():
        reached = found[2].supernet.state_dict()[name]
        torch.testing.assert_close(value, reached, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_first_sub_network_teaches_the_others(share: float) -> None:
    supernet = random_supernet()
    images, chosen = random_images(4, 48), (SPACE.largest, (1, *SPACE.smallest[1:]))
    target = torch.softmax(random_images(4, 1)[:, :, 0, 0], 1)
    with torch.no_grad():
        first, second = (supernet(images, one).log_softmax(1) for one in chosen)
    taught = (1 - share) * target + share * first.exp()
    expected = torch.stack([-(target * first).sum(1).mean(), -(taught * second).sum(1).mean()])
    found, right = Sandwich(supernet)(images, chosen, target, share)
    torch.testing.assert_close(found, expected)
    hits = [(one.argmax(1) == target.argmax(1)).float().mean() for one in (first, second)]
    torch.testing.assert_close(right, torch.stack(hits))
    torch.autograd.backward(found[1])
    taught_alone = dict(supernet.named_parameters())["blocks.4.conv.point_linear.conv.conv.weight"]
    assert taught_alone.grad is not None  # the largest alone has it, and answers without gradient
    assert not taught_alone.grad.any()


def test_a_step_sums_the_losses_of_the_sandwich(photos: ImageFolder, tmp_path: Path) -> None:
    """The first loss of a run is that of the untrained supernet on the first batch."""
    phase = Phase("sandwich", 1, 1e-3, extremes_per_step=2, inplace_share=0.5)
    recipe = replace(WIDE, phases=(phase,))
    train(recipe, photos, tmp_path, Watch(stop=after(1)))
    first = next(iter(all_batches(recipe, photos)))
    mean, deviation = (
        torch.tensor(value).view(1, 3, 1, 1)
        for value in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    images = (first.pixels / 255 - mean) / deviation
    labels = torch.tensor(photos.labels)[first.indices]
    target = functional.one_hot(labels, 3) * 0.9 + 0.1 / 3
    found, _ = Sandwich(initial(recipe))(images, first.subnetworks, target, 0.5)
    assert len(found) == 3
    assert losses(tmp_path) == [pytest.approx(found.mean().item(), rel=1e-4)]


def test_mixed_precision_on_a_processor(
    photos: ImageFolder, finished: Path, tmp_path: Path
) -> None:
    train(QUICK, photos, tmp_path, process=Process(precision="bfloat16"))
    assert logged(tmp_path) == STEPS
    for name, value in saved(tmp_path).items():
        assert value.dtype == torch.float32, name
        assert value.isfinite().all(), name
    assert losses(tmp_path)[0] == pytest.approx(losses(finished)[0], rel=0.05)
    assert losses(tmp_path) != losses(finished)


def test_mixed_images_a_teacher_and_memory_go_together(photos: ImageFolder, tmp_path: Path) -> None:
    path = tmp_path / "teacher.safetensors"
    save_supernet(Checkpoint("teacher", random_supernet(), CLASSES), path)
    phase = Phase("sandwich", 1, 1e-3, extremes_per_step=2)
    recipe = replace(
        WIDE, phases=(phase,), mixup=0.5, teacher=str(path), teacher_view="crop", seed=2
    )
    kept = MemoryPhotos(photos, 48, torch.device("cpu"))
    told: list[Step] = []
    train(recipe, photos, tmp_path / "memory", Watch(told.append), photos=kept)
    train(recipe, photos, tmp_path / "files")
    assert len(told) == 2
    assert losses(tmp_path / "memory") == pytest.approx(losses(tmp_path / "files"), rel=0.1)


def test_a_supernet_is_a_start(tmp_path: Path) -> None:
    given = random_supernet(seed=5)
    path = tmp_path / "given.safetensors"
    save_supernet(Checkpoint("given", given, CLASSES), path)
    expected = {name: value.half().float() for name, value in given.state_dict().items()}
    same, others = ElasticMobileNetV3(SMALL), ElasticMobileNetV3(SMALL)
    start(same, str(path), CLASSES)
    assert_same(same.state_dict(), expected)
    before = {name: value.clone() for name, value in others.state_dict().items()}
    start(others, str(path), ("cat", "dog", "owl"))
    for name, value in others.state_dict().items():
        assert torch.equal(value, (before if name.startswith("classifier") else expected)[name])
    with pytest.raises(CheckpointError, match=r"has width 0.25, the recipe 0.5; choose the same"):
        start(ElasticMobileNetV3(replace(SMALL, width=0.5)), str(path), CLASSES)
    with pytest.raises(UnknownNameError, match="no supernet 'nothing'"):
        start(same, "nothing", CLASSES)


def all_batches(
    recipe: Recipe,
    photos: ImageFolder,
    first: int = 0,
    process: Process | None = None,
    threads: int = 1,
) -> list[Batch]:
    spec = MobileNetV3(recipe.width, 3, recipe.resolutions)
    read, world = FilePhotos(photos, threads), process or Process()
    return list(batches(recipe, spec, read, len(photos), 0, first, world, 64))


def test_batches_go_on_where_they_were(photos: ImageFolder) -> None:
    recipe = replace(WIDE, phases=(Phase("wide", 2, 1e-3),), mixup=0.3)
    whole = all_batches(recipe, photos)
    assert [batch.step for batch in whole] == [0, 1, 2, 3]
    for threads in (0, 3):
        for batch, other in zip(
            all_batches(recipe, photos, 2, threads=threads), whole[2:], strict=True
        ):
            assert batch.step == other.step
            assert batch.subnetworks == other.subnetworks
            assert batch.share == other.share
            assert torch.equal(batch.pixels, other.pixels)
            assert batch.teacher_pixels is not None
            assert other.teacher_pixels is not None
            assert torch.equal(batch.teacher_pixels, other.teacher_pixels)
    for epoch in (whole[:2], whole[2:]):
        seen = torch.cat([batch.indices for batch in epoch])
        assert len(set(seen.tolist())) == 16
    assert not torch.equal(whole[0].indices, whole[2].indices)


def test_processes_share_a_batch(photos: ImageFolder) -> None:
    alone = all_batches(WIDE, photos)
    parts = [all_batches(WIDE, photos, process=Process(rank=rank, world=2)) for rank in (0, 1)]
    for whole, *dealt in zip(alone, *parts, strict=True):
        assert [len(part.indices) for part in dealt] == [4, 4]
        assert set(torch.cat([part.indices for part in dealt]).tolist()) == set(
            whole.indices.tolist()
        )
        assert {part.subnetworks for part in dealt} == {whole.subnetworks}


def test_devices_that_are_none() -> None:
    with pytest.raises(
        UnknownNameError, match=r"no device of torch 'gpu'; .*known: auto, cpu, cuda"
    ):
        choose_device("gpu")
    assert choose_device("cpu").type == "cpu"


def torchrun(
    photos: ImageFolder, run: Path, tell: Path, stop_after: int = 1000
) -> AbstractContextManager[subprocess.Popen[str]]:
    """Train in two processes that talk by gloo."""
    recipe, script = tell.with_name("recipe.toml"), tell.with_name("child.py")
    recipe.write_text(recipe_text(QUICK))
    script.write_text(CHILD)
    return child(
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"),
        *(script, photos.root, run, recipe, tell, stop_after),
    )


def told_alike(tell: Path) -> str:
    """Return a digest of the weights that both processes have."""
    digests = set()
    for rank in (0, 1):
        state = torch.load(f"{tell}{rank}", weights_only=True)
        found = hashlib.sha256()
        for value in state.values():
            found.update(value.contiguous().numpy().tobytes())
        digests.add(found.hexdigest())
    (digest,) = digests
    return digest


def test_two_processes_come_to_equal_weights_stopped_and_killed(
    photos: ImageFolder, finished: Path, tmp_path: Path
) -> None:
    """The first process alone finds checkpoints due, and the second alone asks to stop."""
    run, tell = tmp_path / "run", tmp_path / "weights"
    with torchrun(photos, run, tell) as program:
        stderr = finish(program)
    assert program.returncode == 0, stderr
    assert "Warning" not in stderr
    undisturbed = told_alike(tell)
    assert logged(run) == STEPS
    assert losses(run)[0] == pytest.approx(losses(finished)[0], rel=0.05)

    again = tmp_path / "again"
    with torchrun(photos, again, tell, stop_after=3) as program:
        stderr = finish(program)
    assert program.returncode == 0, stderr
    assert logged(again) == STEPS[:3]
    assert told_alike(tell) != undisturbed
    with torchrun(photos, again, tell) as program:
        wait_until(lambda: len(logged(again)) >= 5)
        kill_tree(program)
    assert 5 <= len(logged(again)) < len(STEPS)
    with torchrun(photos, again, tell) as program:
        stderr = finish(program)
    assert program.returncode == 0, stderr
    assert told_alike(tell) == undisturbed
    assert logged(again) == STEPS
