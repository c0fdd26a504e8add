"""Packs: the models of a batch as one file, because every file costs round trips."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Union

Model = Union[bytes, Path]  # noqa: UP007 (Python 3.10 runs this line)
"""A model's content, or the file of this host that has it."""

_SAMPLE_BYTES = 1 << 16
_WORTH_IT = 0.8
_FASTEST = 1


def write_pack(pack: Path, names: Sequence[str], models: Sequence[Model]) -> None:
    """Write models into one file, each of them deflated where that makes it much smaller.

    Each follows a line of JSON: its name, its size, and its size in the pack.

    Args:
        pack: to be written.
        names: that jobs will use, of the form ``PACK/MODEL``.
        models: in the same order.

    Raises:
        OSError: it cannot be written.
    """
    with pack.open("wb") as file:
        for name, model in zip(names, models, strict=True):
            size, content = _shrunk(model)
            file.write(json.dumps([name, size, len(content)]).encode() + b"\n")
            file.write(content)


def write_shrunk(model: Path, content: bytes) -> None:
    """Keep beside a model's file what of it is to travel, if many packs are to have it.

    Args:
        model: its file.
        content: of that.

    Raises:
        OSError: it cannot be written.
    """
    shrunk = _deflated(content)
    if len(shrunk) < len(content):
        _beside(model).write_bytes(shrunk)


def _shrunk(model: Model) -> tuple[int, bytes]:
    """Return a model's size, and its content, deflated if that is smaller."""
    if isinstance(model, bytes):
        return len(model), _deflated(model)
    shrunk = _beside(model)
    return model.stat().st_size, (shrunk if shrunk.exists() else model).read_bytes()


def _beside(model: Path) -> Path:
    return model.with_name(f"{model.name}.deflated")


def _deflated(model: bytes) -> bytes:
    """Deflate a model, unless the middle of it shows that it is not worth while."""
    middle = max(0, (len(model) - _SAMPLE_BYTES) // 2)
    sample = model[middle : middle + _SAMPLE_BYTES]
    if len(zlib.compress(sample, _FASTEST)) > _WORTH_IT * len(sample):
        return model
    content = zlib.compress(model, _FASTEST)
    return content if len(content) < len(model) else model
