"""Latency of operators and of whole networks, from the rows of a table."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Mapping
from itertools import zip_longest
from types import MappingProxyType

from .errors import MissingOperatorError
from .operator import Operator
from .subject import Subject

_NONE: Mapping[Subject, str] = MappingProxyType({})


def operator_ms(
    rows: Mapping[Operator, float], operator: Operator, failures: Mapping[Subject, str] = _NONE
) -> float:
    """Return one operator's latency in milliseconds.

    Args:
        rows: latencies in milliseconds.
        operator: to look up.
        failures: why others could not be measured.

    Raises:
        MissingOperatorError: there is no such row; names the nearest ones, and why it is missing.
    """
    if operator not in rows:
        raise missing(rows, operator, failures)
    return rows[operator]


def missing(
    rows: Iterable[Operator], operator: Operator, failures: Mapping[Subject, str] = _NONE
) -> MissingOperatorError:
    """Make the error that says of an operator that it has no row."""
    near = list(map(str, nearest(rows, operator)))
    return MissingOperatorError(str(operator), near, failures.get(operator, ""))


def sum_ms(
    rows: Mapping[Operator, float],
    operators: Iterable[Operator],
    failures: Mapping[Subject, str] = _NONE,
) -> float:
    """Sum the latencies of operators that run one after another, in milliseconds.

    Source: Cai et al., ProxylessNAS, ICLR 2019, section 3.3 (additive latency model).

    Raises:
        MissingOperatorError: an operator has no row.
    """
    return math.fsum(operator_ms(rows, operator, failures) for operator in operators)


def nearest(known: Iterable[Operator], operator: Operator, count: int = 3) -> list[Operator]:
    """Return the operators most like ``operator``, the nearest first: same kind before size."""
    return heapq.nsmallest(count, known, key=lambda other: (*_distance(operator, other), other))


def _distance(one: Operator, other: Operator) -> tuple[bool, float, bool]:
    """Tell how unlike two operators are: in kind, then in size (log ratios), then otherwise."""
    sizes = zip_longest(_sizes(one), _sizes(other), fillvalue=1)
    ratios = (abs(math.log(size / other_size)) for size, other_size in sizes)
    otherwise = (one.activation, one.dtype) != (other.activation, other.dtype)
    return one.kind != other.kind, math.fsum(ratios), otherwise


def _sizes(operator: Operator) -> list[float]:
    """List what an operator's size is made of; nothing counts as half of the least."""
    dimensions: list[float] = [size for shape in operator.inputs for size in shape]
    return dimensions + [value or 0.5 for _, value in operator.attributes]
