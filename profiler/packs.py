"""Packs: the models of a batch as one file, because every file costs round trips."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Union

Model = Union[bytes, Path]  # noqa: UP007 (Python 3.10 runs this line)
"""A model's content, or the file of this host that has it."""


def write_pack(pack: Path, names: Sequence[str], models: Sequence[Model]) -> None:
    """Write models into one file: a line of JSON that says how long each is, and then all of them.

    Args:
        pack: to be written.
        names: that jobs will use, of the form ``PACK/MODEL``.
        models: in the same order.

    Raises:
        OSError: it cannot be written.
    """
    sizes = [[name, _size(model)] for name, model in zip(names, models, strict=True)]
    with pack.open("wb") as file:
        file.write(json.dumps(sizes).encode() + b"\n")
        for model in models:
            if isinstance(model, bytes):
                file.write(model)
            else:
                with model.open("rb") as content:
                    shutil.copyfileobj(content, file, 1 << 20)


def _size(model: Model) -> int:
    return len(model) if isinstance(model, bytes) else model.stat().st_size
