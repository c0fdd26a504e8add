"""Subjects: what a latency is measured for."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import FormatError
from .operator import Operator, Shape


@dataclass(frozen=True, slots=True)
class Network:
    """A whole network, as far as a latency table knows it.

    Attributes:
        name: unique in a table.
        operators: in execution order, repetitions included; none where they are not known, as of
            a network that was published as a whole.
    """

    name: str
    operators: tuple[Operator, ...]

    def __str__(self) -> str:
        return f"network {self.name}"


@dataclass(frozen=True, slots=True)
class Framed:
    """An operator between neighbours, as ``framing`` puts it: its latency is a difference."""

    operator: Operator

    def __str__(self) -> str:
        return f"framed {self.operator}"


@dataclass(frozen=True, slots=True)
class Frame:
    """Those neighbours alone, around a tensor of one shape (C, H, W)."""

    shape: Shape

    def __str__(self) -> str:
        return f"frame {'x'.join(map(str, self.shape))}"


@dataclass(frozen=True, slots=True)
class Call:
    """A model of next to no work, which tells what any model takes to be run (``called``).

    Attributes:
        operators: that it runs, one after another.
    """

    operators: int = 1

    def __str__(self) -> str:
        return "call" if self.operators == 1 else f"call {self.operators}"


Subject = Operator | Network | Framed | Frame | Call
"""Its ``str`` is unique in a table: no operator's text holds a space."""


def parse_subject(text: str) -> Operator | Framed | Frame | Call:
    """Read back what ``str`` wrote of any subject but a network; FormatError for anything else."""
    if text == str(Call()):
        return Call()
    what, _, rest = text.rpartition(" ")
    if not what:
        return Operator.parse(text)
    if what == "framed":
        return Framed(Operator.parse(rest))
    sizes = [_count(size) for size in rest.split("x")]
    if all(sizes):
        found: Frame | Call | None = None
        if what == "frame" and len(sizes) == 3:
            found = Frame(tuple(sizes))
        elif what == "call" and len(sizes) == 1:
            found = Call(*sizes)
        if found is not None and str(found) == text:
            return found
    raise FormatError(f"{text!r} is no operator, framed operator, frame or call")


def _count(text: str) -> int:
    """Read a number of at most nine digits; 0 for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
