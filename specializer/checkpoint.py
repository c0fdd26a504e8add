"""Checkpoints: supernets in files, ours and those that were published; reading runs no code."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ..tables.atomic import write_atomically
from ..tables.errors import CheckpointError, FormatError
from .description import METADATA_KEY, SUFFIX, Description, read_description
from .supernets.elastic import ElasticMobileNetV3, state_shapes
from .supernets.mobilenet_v3 import MobileNetV3, supernet_spec, widths

_WANTED = "want a MobileNetV3 supernet of Once-for-All, or a file that Sartor wrote"
_SPELLINGS = (
    (".bn.bn.", ".bn."),
    (".bn.", ".bn.bn."),
    (".conv.conv.weight", ".conv.weight"),
    (".conv.weight", ".conv.conv.weight"),
    (".linear.linear.", ".linear."),
)
"""Published files write some names once, others doubled; each pair leads from one to the other."""


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A supernet with its weights.

    Attributes:
        name: of the supernet.
        supernet: weights in single precision, on the CPU.
        labels: names of the classes; their numbers where the file names none.
        metadata: where the weights come from, as far as the file tells.
    """

    name: str
    supernet: ElasticMobileNetV3
    labels: tuple[str, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)


def load_supernet(path: Path) -> Checkpoint:
    """Read a supernet from a file, without running any code that the file may hold.

    A ``.safetensors`` file is one that ``save_supernet`` wrote. Any other is a published
    Once-for-All checkpoint, or its like: its width and classes follow from its shapes, its
    resolutions are the published ones.

    Raises:
        CheckpointError: there is no such file, it is damaged, holds code, a number that is none,
            or anything but the supernet.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no file {path}; {_WANTED}")
    if path.suffix == SUFFIX:
        description, state = read_description(path), _read_safetensors(path)
    else:
        state = _read_torch(path)
        spec = _infer_spec(path, state)
        labels = tuple(map(str, range(spec.classes)))
        description = Description(path.stem, spec, labels)
    _check(path, state, description.spec)
    single = {
        name: value.to(torch.float32, memory_format=torch.contiguous_format, copy=True)
        for name, value in state.items()
    }
    supernet = ElasticMobileNetV3(description.spec, single)
    return Checkpoint(description.name, supernet, description.labels, description.metadata)


def save_supernet(checkpoint: Checkpoint, path: Path) -> None:
    """Write a supernet in half precision, whole or not at all.

    The same checkpoint always gives the same bytes.

    Args:
        checkpoint: what to write.
        path: ending in ``.safetensors``.

    Raises:
        CheckpointError: a weight is not finite or exceeds half precision.
        FormatError: the suffix is another, or the labels are not one for each class.
        OutputError: the file cannot be written.
    """
    if path.suffix != SUFFIX:
        raise FormatError(f"a supernet is written to a {SUFFIX} file, not {path.name}")
    description = Description(
        checkpoint.name, checkpoint.supernet.spec, checkpoint.labels, checkpoint.metadata
    )
    half = {
        name: value.detach().to("cpu", torch.float16).contiguous()
        for name, value in checkpoint.supernet.state_dict().items()
    }
    _check(path, half, description.spec)
    write_atomically(path, save(half, {METADATA_KEY: description.text()}))


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no dict)
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError, TypeError) as error:
        raise CheckpointError(
            f"{path} is damaged or cut short; copy or download it again"
        ) from error


def _read_torch(path: Path) -> dict[str, Tensor]:
    """Read a file of ``torch.save`` and give its tensors the names that the supernet has."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what a damaged pickle can raise, nobody has listed
        raise CheckpointError(
            f"{path} is damaged, or holds more than weights, which is never run; {_WANTED}"
        ) from error
    if isinstance(content, dict) and "state_dict" in content:
        content = content["state_dict"]
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()
    ):
        raise CheckpointError(f"{path} holds no named weights; {_WANTED}")
    known = state_shapes(MobileNetV3()).keys()
    state: dict[str, Tensor] = {}
    for published, value in content.items():
        if not published.endswith("num_batches_tracked"):
            name = _our_name(published, known)
            if name in state:
                raise CheckpointError(f"{path} holds {name} twice; {_WANTED}")
            state[name] = value
    return state


def _our_name(published: str, known: Collection[str]) -> str:
    name = published.removeprefix("module.").replace(".mobile_inverted_conv.", ".conv.")
    spellings = (name, *(name.replace(*pair) for pair in _SPELLINGS))
    return next((spelling for spelling in spellings if spelling in known), name)


def _infer_spec(path: Path, state: Mapping[str, Tensor]) -> MobileNetV3:
    """Tell width and classes from the shape of the classifier."""
    weight = state.get("classifier.linear.weight")
    if weight is None or weight.dim() != 2:
        raise CheckpointError(f"{path} has no classifier; {_WANTED}")
    classes, features = weight.shape
    width = round(features / widths(1.0).feature, 2)  # steps of 8 channels are finer than 0.01
    try:
        return supernet_spec(width, classes, MobileNetV3().resolutions)
    except FormatError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _check(path: Path, state: Mapping[str, Tensor], spec: MobileNetV3) -> None:
    """Raise CheckpointError unless these are the weights of such a supernet, usable as they are."""
    shapes = state_shapes(spec)
    if missing := shapes.keys() - state.keys():
        raise CheckpointError(f"{path} lacks {_some(missing)}; {_WANTED}")
    if unknown := state.keys() - shapes.keys():
        raise CheckpointError(f"{path} has {_some(unknown)}, no part of the supernet; {_WANTED}")
    for name, shape in shapes.items():
        value = state[name]
        if tuple(value.shape) != shape:
            raise CheckpointError(
                f"{path}: {name} is {tuple(value.shape)} where width {spec.width:g} with "
                f"{spec.classes} classes has {shape}; {_WANTED}"
            )
        if not value.is_floating_point() or value.layout is not torch.strided:
            raise CheckpointError(f"{path}: {name} holds {value.dtype}; want plain floats")
        if not value.isfinite().all() or (name.endswith("running_var") and bool((value < 0).any())):
            raise CheckpointError(
                f"{path}: {name} has impossible values (not finite, or a negative variance); "
                "the training went wrong, so take an earlier checkpoint"
            )


def _some(names: set[str]) -> str:
    first, *others = sorted(names)
    return f"{first} and {len(others)} more tensors" if others else first
