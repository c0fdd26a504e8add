"""Packs: the models of a batch as one file, because every file costs round trips."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence

_SAMPLE_BYTES = 1 << 16
_WORTH_IT = 0.8
_FASTEST = 1


def packed(names: Sequence[str], models: Sequence[bytes]) -> bytes:
    """Put models into one file, each of them deflated where that makes it much smaller.

    Args:
        names: that jobs will use, of the form ``PACK/MODEL``.
        models: in the same order.

    Returns:
        A line of JSON, ``[NAME, SIZE, SIZE IN THE PACK]`` for each, and then all of them.
    """
    contents = [_deflated(model) for model in models]
    sizes = [
        [name, len(model), len(content)]
        for name, model, content in zip(names, models, contents, strict=True)
    ]
    return b"".join((json.dumps(sizes).encode(), b"\n", *contents))


def _deflated(model: bytes) -> bytes:
    """Deflate a model, unless the middle of it shows that it is not worth while."""
    middle = max(0, (len(model) - _SAMPLE_BYTES) // 2)
    sample = model[middle : middle + _SAMPLE_BYTES]
    if len(zlib.compress(sample, _FASTEST)) > _WORTH_IT * len(sample):
        return model
    content = zlib.compress(model, _FASTEST)
    return content if len(content) < len(model) else model
