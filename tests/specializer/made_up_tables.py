"""Latency tables of whole supernets with made-up samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sartor.specializer.cost import calibration_networks, reachable_operators
from sartor.specializer.supernets.supernet import Supernet
from sartor.tables import (
    Condition,
    Graph,
    LatencyTable,
    Network,
    Operator,
    Provenance,
    Subject,
    Window,
    graph_with_dtype,
    multiply_adds,
    with_dtype,
)

Pretended = Callable[[Operator], float]
"""What an operator takes, in microseconds."""


def plain_us(operator: Operator) -> float:
    """What grows with multiply-adds."""
    return 3.0 + multiply_adds(operator) / 10_000


def slow_at_large_kernels_us(operator: Operator) -> float:
    """The same, but for depthwise convolutions."""
    large = operator.kind == "depthwise_conv2d" and operator["kernel"] == 7
    return plain_us(operator) * (8 if large else 1)


def made_up_table(
    supernet: Supernet,
    name: str,
    takes_us: Pretended,
    others: Iterable[Graph] = (),
    condition: Condition = Condition("litert"),  # noqa: B008 (a frozen value)
) -> LatencyTable:
    """A table of all operators, of five networks that calibrate it, and of others."""
    operators = [with_dtype(one, condition.dtype) for one in reachable_operators(supernet)]
    samples_us: dict[Subject, float] = {one: takes_us(one) for one in operators}
    for graph in (*calibration_networks(supernet, 5), *others):
        converted = graph_with_dtype(graph, condition.dtype)
        total_us = 1.1 * sum(map(takes_us, converted.operators)) - 1.0
        samples_us[Network(graph.name, converted.operators)] = total_us
    facts = Provenance(name, (), condition, "2", "0" * 64, "1", "1", "2026", "0.1")
    windows = {subject: [Window(0, (us,), 0, 5.0, "now")] for subject, us in samples_us.items()}
    return LatencyTable.from_windows(name, facts, windows, {})
