"""What training aims at: hard labels, mixed with the answers of a teacher of the user's choice."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from ...tables.atomic import write_atomically
from ...tables.errors import CheckpointError, RuntimeMissingError
from ..checkpoint import load_supernet
from ..evaluate import decode
from ..extract import extract
from ..images import ImageFolder, normalise_pixels
from ..network import RunningNorm, graph_tensors, run_graph
from ..shipped import find_supernet
from .batches import Batch
from .efficientnet_lite import imagenet_classes, teacher_graph, teacher_pixels
from .process import Process
from .recipe import EFFICIENTNET_LITE, NO_TEACHER, Recipe

_BATCH = 64


class Teacher(Protocol):
    """A trained network that knows the classes.

    Attributes:
        size: of the images that it looks at, in pixels.
    """

    size: int

    def logits(self, pixels: Tensor) -> Tensor:
        """Answer to pixels in 0–255, (N, 3, size, size), with logits, (N, classes)."""
        ...


def find_teacher(recipe: Recipe, classes: tuple[str, ...], device: torch.device) -> Teacher | None:
    """Load the teacher that a recipe names; None where it names none.

    Raises:
        CheckpointError: the teacher cannot be read, or knows other classes.
        RuntimeMissingError: a package that it needs is not installed.
        UnknownNameError: there is no such teacher.
    """
    if recipe.teacher == NO_TEACHER:
        return None
    if recipe.teacher == EFFICIENTNET_LITE:
        return LiteTeacher(recipe.teacher_resolution, classes, device)
    if recipe.teacher.endswith(".onnx"):
        return OnnxTeacher(Path(recipe.teacher), recipe.teacher_resolution)
    return SupernetTeacher(recipe.teacher, classes, device)


class LiteTeacher:
    """EfficientNet-Lite0 with its ImageNet weights, its answers cut down to the classes."""

    def __init__(self, size: int, classes: tuple[str, ...], device: torch.device) -> None:
        if not (known := imagenet_classes(classes)):
            raise CheckpointError(
                f"the teacher {EFFICIENTNET_LITE} knows ImageNet's classes by the folders of "
                f"Imagenette ({', '.join(classes[:3])} … are others); choose another --teacher"
            )
        self.size = size
        self._graph = teacher_graph(size, known)
        self._weights = {
            name: value.to(device) for name, value in graph_tensors(self._graph).items()
        }

    def logits(self, pixels: Tensor) -> Tensor:
        """Answer with logits; see ``Teacher``."""
        return run_graph(self._graph, self._weights, teacher_pixels(pixels), RunningNorm(0.0))


class SupernetTeacher:
    """The largest sub-network of a supernet, with the statistics that its file holds."""

    def __init__(self, name_or_path: str, classes: tuple[str, ...], device: torch.device) -> None:
        checkpoint = load_supernet(find_supernet(name_or_path).weights)
        if checkpoint.labels != classes:
            raise CheckpointError(
                f"the teacher {name_or_path} knows the classes {', '.join(checkpoint.labels[:3])} "
                f"…, the images are of {', '.join(classes[:3])} …; choose another --teacher"
            )
        spec = checkpoint.supernet.spec
        network = extract(checkpoint.supernet, spec.space.largest)
        self.size = network.resolution
        self._network = network
        self._weights = {name: value.to(device) for name, value in network.weights.items()}

    def logits(self, pixels: Tensor) -> Tensor:
        """Answer with logits; see ``Teacher``."""
        norm = RunningNorm(self._network.eps)
        return run_graph(self._network.graph, self._weights, normalise_pixels(pixels), norm)


class OnnxTeacher:
    """Any classifier in an ONNX file: (N, 3, H, W), normalised as ImageNet's, to (N, classes).

    It runs on the processor.
    """

    def __init__(self, path: Path, size: int) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise RuntimeMissingError(
                "a teacher in an ONNX file needs a package; run: pip install 'sartor[onnxruntime]'"
            ) from error
        if not path.is_file():
            raise CheckpointError(f"there is no file {path}; name the teacher's ONNX file")
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's errors have no common base of their own
            raise CheckpointError(
                f"the teacher {path} is no ONNX file that runs here "
                f"({str(error).splitlines()[0]}); choose another --teacher"
            ) from error
        (first, *_) = self._session.get_inputs()
        if len(first.shape) != 4 or (isinstance(first.shape[1], int) and first.shape[1] != 3):
            raise CheckpointError(
                f"the teacher {path} reads {first.shape}; want images, (N, 3, H, W)"
            )
        self._path, self._input = path, first
        self.size = first.shape[2] if isinstance(first.shape[2], int) else size

    def logits(self, pixels: Tensor) -> Tensor:
        """Answer with logits; see ``Teacher``."""
        images = normalise_pixels(pixels).contiguous().cpu().numpy()
        batch = self._input.shape[0] if isinstance(self._input.shape[0], int) else len(images)
        filled = np.resize(images, (-(-len(images) // batch) * batch, *images.shape[1:]))
        parts = np.split(filled, len(filled) // batch)  # a part of the batch that the file wants
        try:
            answers = [self._session.run(None, {self._input.name: part})[0] for part in parts]
        except Exception as error:  # as above
            raise CheckpointError(
                f"the teacher {self._path} does not take images of {self.size} pixels "
                f"({str(error).splitlines()[0]})"
            ) from error
        return torch.from_numpy(np.concatenate(answers)[: len(images)]).to(pixels.device)


class Targets:
    """What each batch aims at, on the device that trains.

    Source: Hinton et al., Distilling the knowledge in a neural network, 2015; the crop as the
    teacher's view is from Beyer et al., Knowledge distillation: a good teacher is patient and
    consistent, CVPR 2022.

    Args:
        recipe: how much of what.
        data: training images.
        cache: ``.npy`` file of a teacher's answers to the images' centres; written where it is
            not there.
        process: the first one asks the teacher, the others read the file.

    Raises:
        CheckpointError: the teacher or the cache cannot be used with these images.
        DatasetError: an image cannot be read.
    """

    def __init__(self, recipe: Recipe, data: ImageFolder, cache: Path, process: Process) -> None:
        self._recipe = recipe
        labels, classes = torch.tensor(data.labels), len(data.classes)
        smooth = recipe.label_smoothing
        table = functional.one_hot(labels, classes).float() * (1 - smooth) + smooth / classes
        teacher = find_teacher(recipe, data.classes, process.device)
        self._asked = teacher if recipe.teacher_view == "crop" else None
        if teacher is not None and self._asked is None:
            if process.first and not cache.exists():
                _remember(teacher, data, cache, process)
            process.wait_for_all()
            soft = (_remembered(cache, table) / recipe.temperature).softmax(1)
            table = torch.lerp(table, soft, recipe.teacher_share)
        self._table = table.to(process.device)

    @property
    def teacher_size(self) -> int | None:
        """Of the crops that the teacher wants to see, in pixels; None where it sees none."""
        return None if self._asked is None else self._asked.size

    @torch.no_grad()
    def of(self, batch: Batch) -> Tensor:
        """Return the probabilities that a batch aims at: (N, classes)."""
        target = mixed(self._table[batch.indices.to(self._table.device)], batch.share)
        if self._asked is None or batch.teacher_pixels is None:
            return target
        pixels = mixed(batch.teacher_pixels.to(target.device), batch.share)
        answer = check_classes(self._asked.logits(pixels), target.shape[1]).float()
        soft = (answer / self._recipe.temperature).softmax(1)
        return torch.lerp(target, soft, self._recipe.teacher_share)


def mixed(values: Tensor, share: float) -> Tensor:
    """Mix each row, as floats, with the one as far from the other end of the batch."""
    if share == 1:
        return values
    return torch.lerp(values.flip(0).float(), values.float(), share)


def check_classes(logits: Tensor, classes: int) -> Tensor:
    """Return a teacher's answer, or raise CheckpointError where it is to another question."""
    if logits.dim() != 2 or logits.shape[1] != classes:
        raise CheckpointError(
            f"the teacher answers {tuple(logits.shape)} where (N, {classes}) is wanted, one logit "
            "for each class folder in the order of their names; choose another --teacher"
        )
    return logits


@torch.inference_mode()
def _remember(teacher: Teacher, data: ImageFolder, cache: Path, process: Process) -> None:
    pixels = decode(data, teacher.size).pixels
    answers = [
        check_classes(teacher.logits(part.to(process.device)), len(data.classes)).float().cpu()
        for part in pixels.split(_BATCH)
    ]
    buffer = io.BytesIO()
    np.save(buffer, torch.cat(answers).numpy(), allow_pickle=False)
    write_atomically(cache, buffer.getvalue())


def _remembered(cache: Path, like: Tensor) -> Tensor:
    try:
        logits = torch.from_numpy(np.load(cache, allow_pickle=False))
    except (OSError, EOFError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"the teacher's answers in {cache} are damaged; remove the file"
        ) from error
    if logits.shape != like.shape or logits.dtype != like.dtype:
        raise CheckpointError(
            f"the teacher's answers in {cache} are not to these {len(like)} images; "
            "choose another folder for the run, or remove the file"
        )
    return logits
