"""Pieces of a model: each a model of its own, to be timed by itself."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor that passes from piece to piece while the model runs.

    Attributes:
        name: unique in the model.
        dtype: as NumPy calls it.
        shape: batch included.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def size_bytes(self) -> int:
        """How much memory it takes."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    @property
    def text(self) -> str:
        """Its shape as people write it, and its type unless it is float32."""
        shape = "×".join(map(str, self.shape)) or "scalar"
        return shape if self.dtype == "float32" else f"{shape} {self.dtype}"


@dataclass(frozen=True, slots=True)
class Piece:
    """An operator of a model, with the operators that the runtime runs as one with it.

    Attributes:
        name: of the tensor that it makes first, as the model calls it.
        kind: of its operators, as the format calls them.
        details: of what it does, for people, such as ``kernel 3×3``; may be empty.
        inputs: tensors that other pieces make, or that are put into the model.
        outputs: tensors that it makes.
        signature: equal where kinds, attributes, shapes and parameters are, so that as far as is
            known two pieces take equally long; weights do not count.
        content: a model file with this piece alone and its real weights; empty where ``problem``
            says why there is none.
        problem: why the piece cannot be a model of its own; usually empty.
        times: how often a piece of this signature occurs in the model.
    """

    name: str
    kind: str
    details: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    signature: str = field(repr=False)
    content: bytes = field(repr=False, default=b"")
    problem: str = ""
    times: int = 1

    @property
    def text(self) -> str:
        """What goes in and what comes out, for people."""
        ends = (", ".join(tensor.text for tensor in end) for end in (self.inputs, self.outputs))
        shapes = " → ".join(end or "nothing" for end in ends)
        return f"{shapes}, {self.details}" if self.details else shapes

    @property
    def memory_mb(self) -> float:
        """How much memory its file and its tensors take, in megabytes."""
        tensors = sum(tensor.size_bytes for tensor in (*self.inputs, *self.outputs))
        return (len(self.content) + tensors) / 1e6


def distinct(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    """Take each piece once, in the order in which it first runs, and count how often it runs."""
    found: dict[tuple[str, str], Piece] = {}
    for piece in pieces:
        key = piece.signature, piece.problem
        known = found.get(key)
        found[key] = replace(known, times=known.times + piece.times) if known else piece
    return tuple(found.values())


def signature_of(*facts: object) -> str:
    """Hash facts that their ``repr`` tells whole."""
    return hashlib.sha256(repr(facts).encode()).hexdigest()
