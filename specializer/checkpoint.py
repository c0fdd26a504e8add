"""Checkpoints: supernets in files, ours and those that were published; reading runs no code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ..tables.atomic import write_atomically
from ..tables.errors import CheckpointError, FormatError
from .description import METADATA_KEY, SUFFIX, Description, read_description
from .own import OwnSupernet
from .supernets.elastic import ElasticSupernet
from .supernets.families import FAMILIES, likeliest_family, our_name
from .supernets.supernet import SupernetSpec

_WANTED = f"want a supernet of Once-for-All ({', '.join(FAMILIES)}), or a file that Sartor wrote"


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
    supernet: ElasticSupernet[SupernetSpec]
    labels: tuple[str, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)


def load_supernet(path: Path, own: OwnSupernet | None = None) -> Checkpoint:
    """Read a supernet from a file, without running any code that the file may hold.

    A ``.safetensors`` file is one that ``save_supernet`` wrote. Any other is a published
    Once-for-All checkpoint, or its like: its family follows from the names of its tensors, its
    width and classes from their shapes; its resolutions are the published ones.

    Args:
        path: of the file.
        own: the supernet, where it is the user's own: then the file is asked for tensors alone.

    Raises:
        CheckpointError: there is no such file, it is damaged, holds code, a number that is none,
            or anything but the supernet.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no file {path}; {_WANTED}")
    ours = path.suffix == SUFFIX
    if own is not None:
        state = _read_safetensors(path) if ours else _named(path, _read_torch(path), own.spec)
        labels = own.labels or _numbers(own.spec)
        description = Description(path.stem, own.spec, labels)
    elif ours:
        description, state = read_description(path), _read_safetensors(path)
    else:
        published = _read_torch(path)
        family = likeliest_family(published)
        state = _named(path, published, family.published())
        try:
            spec = family.infer({name: tuple(value.shape) for name, value in state.items()})
        except FormatError as error:
            raise CheckpointError(f"{path}: {error}; {_WANTED}") from error
        description = Description(path.stem, spec, _numbers(spec))
    _check(path, state, description.spec)
    single = {
        name: value.to(torch.float32, memory_format=torch.contiguous_format, copy=True)
        for name, value in state.items()
    }
    supernet = ElasticSupernet(description.spec, single)
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
    """Read the named tensors of a file of ``torch.save``, which runs no code in it."""
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
    return content


def _named(path: Path, published: Mapping[str, Tensor], spec: SupernetSpec) -> dict[str, Tensor]:
    """Give a file's tensors the names that a supernet has; counts of batches are left out."""
    known = spec.state_shapes()
    state: dict[str, Tensor] = {}
    for name, value in published.items():
        if not name.endswith("num_batches_tracked"):
            if (ours := our_name(name, known)) in state:
                raise CheckpointError(f"{path} holds {ours} twice; {_WANTED}")
            state[ours] = value
    return state


def _numbers(spec: SupernetSpec) -> tuple[str, ...]:
    return tuple(map(str, range(spec.classes)))


def _check(path: Path, state: Mapping[str, Tensor], spec: SupernetSpec) -> None:
    """Raise CheckpointError unless these are the weights of such a supernet, usable as they are."""
    shapes = spec.state_shapes()
    if missing := shapes.keys() - state.keys():
        raise CheckpointError(f"{path} lacks {_some(missing)}; {_WANTED}")
    if unknown := state.keys() - shapes.keys():
        raise CheckpointError(f"{path} has {_some(unknown)}, no part of the supernet; {_WANTED}")
    for name, shape in shapes.items():
        value = state[name]
        if tuple(value.shape) != shape:
            raise CheckpointError(
                f"{path}: {name} is {tuple(value.shape)} where {spec.space.name} with "
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
