"""Amounts as people type them: ``200M``, ``note10=20ms``."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import NamedTuple

import typer

_NUMBER = r"\d+(?:\.\d*)?(?:[eE]\+?\d{1,2})?|\.\d+"
_COUNT = re.compile(f"({_NUMBER})([kMG]?)")
_TARGET = re.compile(f"(.+)=({_NUMBER})ms")
_TIMES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}
_MOST_DIGITS = 18


class Target(NamedTuple):
    """A latency table, and the budget for it in milliseconds."""

    table: str
    budget_ms: float


def count(text: str) -> int:
    """Read a count such as ``200M``; wrong usage where it is none."""
    match = _COUNT.fullmatch(text)
    value = Decimal(match[1]) * _TIMES[match[2]] if match else Decimal(0)
    if not 1 <= value < 10**_MOST_DIGITS or value != int(value):
        raise typer.BadParameter(
            f"{text!r} is no count; write one such as 200M, where k, M and G stand for 10³, 10⁶ "
            "and 10⁹"
        )
    return int(value)


def count_text(value: float) -> str:
    """Write a count of 1 or more, as it may be typed."""
    suffix = next(name for name, times in reversed(_TIMES.items()) if value >= times)
    return f"{(Decimal(value) / _TIMES[suffix]).normalize():f}{suffix}"


def target_of(text: str) -> Target:
    """Read a target such as ``note10=20ms``; wrong usage where it is none."""
    if (match := _TARGET.fullmatch(text)) is None:
        raise typer.BadParameter(f"{text!r} is no target; write a table and a budget: TABLE=20ms")
    return Target(match[1], float(match[2]))
