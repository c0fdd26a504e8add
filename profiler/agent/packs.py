"""Packs: the models of a batch, come as one file."""

from __future__ import annotations

import json
import zlib
from pathlib import Path


class FullError(Exception):
    """There is no room for the models."""


def unpack(folder: Path, name: str) -> None:
    """Make the files of the pack that a model came in, unless it came by itself or is there.

    Args:
        folder: that holds packs, ``3.pack``, and their models, ``3/0.tflite``, ….
        name: of the model, relative to the folder.

    Raises:
        FullError: the models cannot be written.
        OSError, ValueError, zlib.error: the pack cannot be read.
    """
    pack = folder / f"{name.partition('/')[0]}.pack"
    if "/" not in name or not pack.exists():
        return
    with pack.open("rb") as file:
        while line := file.readline():
            model, size, packed_size = json.loads(line)
            path, content = folder / model, file.read(packed_size)
            if packed_size != size:
                content = zlib.decompress(content)
            try:
                path.parent.mkdir(mode=0o700, exist_ok=True)
                path.write_bytes(content)
            except OSError as error:
                raise FullError(str(error.strerror)) from error
    pack.unlink()
