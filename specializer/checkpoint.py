"""Checkpoints: supernets in files, ours and those that were published; reading runs no code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from ..tables.atomic import write_atomically
from ..tables.errors import CheckpointError, FormatError
from .description import METADATA_KEY, SUFFIX, Description, bare_name, read_description
from .own import OwnSupernet
from .state_file import check_state, read_state, renamed
from .supernets.elastic import ElasticSupernet
from .supernets.families import FAMILIES, likeliest_family
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
    read = read_state(path, _WANTED)
    if own is not None:
        state = renamed(path, read, own.spec.state_shapes(), _WANTED)
        description = Description(bare_name(path), own.spec, own.labels or _numbers(own.spec))
    elif path.suffix == SUFFIX:
        state, description = read, read_description(path)
    else:
        family = likeliest_family(read)
        state = renamed(path, read, family.published().state_shapes(), _WANTED)
        try:
            spec = family.infer({name: tuple(value.shape) for name, value in state.items()})
        except FormatError as error:
            raise CheckpointError(f"{path}: {error}; {_WANTED}") from error
        description = Description(bare_name(path), spec, _numbers(spec))
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


def _numbers(spec: SupernetSpec) -> tuple[str, ...]:
    return tuple(map(str, range(spec.classes)))


def _check(path: Path, state: Mapping[str, Tensor], spec: SupernetSpec) -> None:
    """Raise CheckpointError unless these are the weights of such a supernet, usable as they are."""
    what = f"supernet {spec.space.name} with {spec.classes} classes"
    check_state(path, state, spec.state_shapes(), what, _WANTED)
