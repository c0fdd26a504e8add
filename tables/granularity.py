"""Granularity: whether a network is the sum of its operators, or of its blocks.

A table may have rows for either, or for both. Whatever a network is written in, each granularity
turns it into the operators of which such a table has rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .blocks import composed
from .errors import GraphError
from .kinds import is_block, parts
from .operator import Operator


@dataclass(frozen=True, slots=True)
class Granularity:
    """One way to take a network apart into what has rows.

    Attributes:
        name: for people, and on the command line.
        units: turns operators, in execution order, into those that have rows. Applied to what it
            returned, it changes nothing.
    """

    name: str
    units: Callable[[Sequence[Operator]], tuple[Operator, ...]]


def _taken_apart(operators: Sequence[Operator]) -> tuple[Operator, ...]:
    """Replace each block by what it is made of."""
    return tuple(part for operator in operators for part in _parts(operator))


def _parts(operator: Operator) -> tuple[Operator, ...]:
    try:
        return parts(operator) if is_block(operator) else (operator,)
    except GraphError:  # a block that breaks its rule, as a file may have it, is made of nothing
        return (operator,)


OPERATORS = Granularity("operators", _taken_apart)
BLOCKS = Granularity("blocks", composed)
GRANULARITIES = (OPERATORS, BLOCKS)
