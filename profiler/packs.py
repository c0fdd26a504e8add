"""Packs: the models of a batch as one file, because every file costs round trips."""

from __future__ import annotations

import json
from collections.abc import Sequence


def packed(names: Sequence[str], models: Sequence[bytes]) -> bytes:
    """Put models into one file: a line of JSON that says how long each is, and then all of them.

    Args:
        names: that jobs will use, of the form ``PACK/MODEL``.
        models: in the same order.
    """
    sizes = [[name, len(model)] for name, model in zip(names, models, strict=True)]
    return b"".join((json.dumps(sizes).encode(), b"\n", *models))
