"""Tensors by name in files; reading runs no code."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..tables.errors import CheckpointError
from ..tables.operator import Shape
from .description import SUFFIX
from .supernets.families import our_name

_FLOATS = torch.float16, torch.bfloat16, torch.float32, torch.float64


def read_state(path: Path, wanted: str) -> dict[str, Tensor]:
    """Read the named tensors of a file, without running any code that it may hold.

    Args:
        path: of a ``.safetensors`` file, or of anything that ``torch.save`` wrote: a state dict, by
            itself or as ``{"state_dict": …}``.
        wanted: what to advise where it is anything else.

    Raises:
        CheckpointError: there is no such file, it is damaged, or holds more than named tensors.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no file {path}; {wanted}")
    return _read_safetensors(path) if path.suffix == SUFFIX else _read_torch(path, wanted)


def renamed(
    path: Path, state: Mapping[str, Tensor], known: Collection[str], wanted: str
) -> dict[str, Tensor]:
    """Give a file's tensors the names that they are known by; counts of batches are left out.

    Raises:
        CheckpointError: two of them mean the same.
    """
    found: dict[str, Tensor] = {}
    for name, value in state.items():
        if not name.endswith("num_batches_tracked"):
            if (ours := our_name(name, known)) in found:
                raise CheckpointError(f"{path} holds {_shown(ours)} twice; {wanted}")
            found[ours] = value
    return found


def check_state(
    path: Path, state: Mapping[str, Tensor], shapes: Mapping[str, Shape], what: str, wanted: str
) -> None:
    """Raise CheckpointError unless these are such tensors, usable as they are.

    Args:
        path: of their file.
        state: the tensors.
        shapes: that they must have.
        what: they are of, for people.
        wanted: what to advise.
    """
    if missing := shapes.keys() - state.keys():
        raise CheckpointError(f"{path} lacks {_some(missing)}; {wanted}")
    if unknown := state.keys() - shapes.keys():
        raise CheckpointError(f"{path} has {_some(unknown)}, no part of the {what}; {wanted}")
    for name, shape in shapes.items():
        value = state[name]
        if tuple(value.shape) != shape:
            raise CheckpointError(
                f"{path}: {name} is {tuple(value.shape)} where the {what} has {shape}; {wanted}"
            )
        if value.dtype not in _FLOATS or value.layout is not torch.strided:
            raise CheckpointError(f"{path}: {name} holds {value.dtype}; want plain floats")
        if value.device.type != "cpu":  # torch.load leaves tensors without values where they are
            raise CheckpointError(f"{path}: {name} has a shape and no values; {wanted}")
        if not value.isfinite().all() or (name.endswith("running_var") and bool((value < 0).any())):
            raise CheckpointError(
                f"{path}: {name} has impossible values (not finite, or a negative variance); "
                "the training went wrong, so take an earlier checkpoint"
            )


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no dict)
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError, TypeError) as error:
        raise CheckpointError(
            f"{path} is damaged or cut short; copy or download it again"
        ) from error


def _read_torch(path: Path, wanted: str) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what a damaged pickle can raise, nobody has listed
        raise CheckpointError(
            f"{path} is damaged, or holds more than weights, which is never run; {wanted}"
        ) from error
    if isinstance(content, dict) and "state_dict" in content:
        content = content["state_dict"]
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()
    ):
        raise CheckpointError(f"{path} holds no named weights; {wanted}")
    return content


def _some(names: set[str]) -> str:
    first, *others = sorted(names)
    shown = _shown(first)
    return f"{shown} and {len(others)} more tensors" if others else shown


def _shown(name: str) -> str:
    """Return a name as a message may have it; a file's may be of any characters, and long."""
    return name[:80] if name.isprintable() else repr(name[:80])
