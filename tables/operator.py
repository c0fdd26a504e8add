"""Operators: what a latency is measured for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import FormatError

Shape = tuple[int, ...]
"""One sample's activation, channels first and without the batch: (C, H, W) or (C,)."""

ACTIVATIONS = ("none", "relu", "relu6", "hswish")
DTYPES = ("float32", "float16", "int8")

_NAME = "[a-z][a-z0-9_]*"
_COUNT = "[1-9][0-9]*"
_VALUE = f"(?:0|{_COUNT})"
_SHAPE = f"{_COUNT}(?:x{_COUNT})*"
_TEXT = re.compile(
    f"({_NAME})/({_SHAPE}(?:,{_SHAPE})*)/(-|{_NAME}={_VALUE}(?:,{_NAME}={_VALUE})*)"
    f"/({'|'.join(ACTIVATIONS)})/({'|'.join(DTYPES)})"
)


@dataclass(frozen=True, slots=True, order=True)
class Operator:
    """One fused kernel, as a runtime deploys it: the address of a row in a latency table.

    Whatever can change its latency is a field, and nothing else is; the layout in memory is the
    runtime's own affair. The text is the key in stores and files, and reads back::

        conv2d/24x56x56/kernel=1,out=72,stride=1/relu/float32

    Attributes:
        kind: a name in ``KINDS``, which gives its shape rule.
        inputs: shapes of the activations that it reads.
        attributes: (name, count) pairs, sorted by name; the kind tells which may be 0.
        activation: fused into the kernel, one of ``ACTIVATIONS``.
        dtype: of activations and weights. With ``float16`` only the weights are stored so where
            a runtime's models are deployed like that; ``int8`` has biases of 32 bits.

    Raises:
        FormatError: a field makes no sense by itself; whether the fields fit together is the
            kind's affair (``kind_of``).
    """

    kind: str
    inputs: tuple[Shape, ...]
    attributes: tuple[tuple[str, int], ...] = ()
    activation: str = "none"
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if _TEXT.fullmatch(str(self)) is None:
            raise FormatError(f"{str(self)!r} is not KIND/SHAPES/ATTRIBUTES/ACTIVATION/DTYPE")
        names = [name for name, _ in self.attributes]
        if names != sorted(set(names)):
            raise FormatError(f"{self}: attributes must be sorted by name, each once")

    def __str__(self) -> str:
        shapes = ",".join("x".join(map(str, shape)) for shape in self.inputs)
        attributes = ",".join(f"{name}={value}" for name, value in self.attributes) or "-"
        return f"{self.kind}/{shapes}/{attributes}/{self.activation}/{self.dtype}"

    def __getitem__(self, name: str) -> int:
        """Return the attribute ``name``; KeyError when the operator has none of that name."""
        return dict(self.attributes)[name]

    @classmethod
    def parse(cls, text: str) -> Operator:
        """Read back what ``str(operator)`` wrote; FormatError when it is anything else."""
        if (match := _TEXT.fullmatch(text)) is None:
            raise FormatError(f"{text!r} is not KIND/SHAPES/ATTRIBUTES/ACTIVATION/DTYPE")
        kind, shapes, attributes, activation, dtype = match.groups()
        pairs = [] if attributes == "-" else [pair.split("=") for pair in attributes.split(",")]
        return cls(
            kind,
            tuple(tuple(map(int, shape.split("x"))) for shape in shapes.split(",")),
            tuple((name, int(value)) for name, value in pairs),
            activation,
            dtype,
        )
