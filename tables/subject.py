"""Subjects: what a latency is measured for."""

from __future__ import annotations

from dataclasses import dataclass

from .operator import Operator


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


Subject = Operator | Network
"""Its ``str`` is unique in a table: no operator's text holds a space."""
