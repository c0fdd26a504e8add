"""What benchmark_model writes as protocol buffers: its results, profiles, and where nodes ran.

Source: tflite/tools/benchmark/proto/benchmark_result.proto (``result_file_path``),
tflite/profiling/proto/profiling_info.proto (``op_profiling_output_mode=proto``) and
tflite/profiling/proto/model_runtime_info.proto (``model_runtime_info_output_file``), of LiteRT 2.
The numbers below are those of the fields there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...tables.errors import FormatError
from .outcome import LONGEST_NAME, Latencies, OperatorLatency, Outcome
from .wire import Message, read_message

_MOST_NODES = 100_000
_TFLITE_SUBGRAPH = 1


@dataclass(frozen=True, slots=True)
class Delegation:
    """How much of a model's main graph a delegate took over.

    Attributes:
        delegate: its name, such as ``TfLiteXNNPackDelegate``.
        nodes: that it took over.
        partitions: in how many pieces.
    """

    delegate: str
    nodes: int
    partitions: int


def read_result(content: bytes) -> Outcome:
    """Read a ``BenchmarkResult``.

    Raises:
        FormatError: it is none, or of no inferences.
    """
    result = read_message(content)
    latency, memory, misc = (result.message(number) for number in (2, 3, 4))

    def needed_us(number: int, name: str) -> float:
        value = latency.real(number)
        if value is None:
            raise FormatError(f"a result of benchmark_model without {name} is none")
        return value * 1e3

    def known_us(number: int) -> float | None:
        value = latency.real(number)
        return None if value is None else value * 1e3

    init_kb, overall_kb = memory.integer(1), memory.integer(2)
    return Outcome(
        inference=Latencies(
            count=misc.integer(2) or 0,
            mean_us=needed_us(1, "a mean"),
            std_us=needed_us(4, "a standard deviation"),
            min_us=needed_us(2, "a minimum"),
            max_us=needed_us(3, "a maximum"),
            p5_us=known_us(6),
            median_us=known_us(5),
            p95_us=known_us(7),
        ),
        init_us=known_us(8),
        init_memory_kb=None if init_kb is None else float(init_kb),
        overall_memory_kb=None if overall_kb is None else float(overall_kb),
    )


def read_profile(content: bytes) -> tuple[OperatorLatency, ...]:
    """Read the operators of a ``BenchmarkProfilingData``: of the inferences, not of loading."""
    runtime = read_message(content).message(3)
    found: list[OperatorLatency] = []
    for subgraph in runtime.messages(1):
        index = subgraph.integer(2) or 0
        found += _operators(subgraph.messages(3), f"subgraph {index}" if index else "")
    for delegate in runtime.messages(2):
        name = delegate.text(1)[:LONGEST_NAME]
        found += _operators(delegate.messages(2), f"delegate {name}".strip())
    if len(found) > _MOST_NODES:
        raise FormatError(f"more than {_MOST_NODES} operators make no sense")
    return tuple(found)


def read_delegations(content: bytes) -> tuple[Delegation, ...]:
    """Read from a ``ModelRuntimeDetails`` which delegates took how much of the main graph.

    What no delegate took runs on LiteRT's own kernels.
    """
    for subgraph in read_message(content).messages(2):
        if subgraph.integer(5) == _TFLITE_SUBGRAPH and not subgraph.integer(1):
            return tuple(_delegations(subgraph))
    raise FormatError("there is no main graph in what benchmark_model says of a model")


def _delegations(subgraph: Message) -> Iterator[Delegation]:
    taken: dict[str, list[int]] = {}
    for node in subgraph.messages(3):
        if 8 not in node.fields:
            continue
        details = node.message(8)
        name = details.text(1)[:LONGEST_NAME]
        taken.setdefault(name, []).append(_count(details, 2))
    for name, counts in taken.items():
        yield Delegation(name, sum(counts), len(counts))


def _count(message: Message, number: int) -> int:
    """Count the numbers in a repeated field, packed or not."""
    values = message.fields.get(number, [])
    # In packed numbers, every byte below 128 ends one.
    return sum(
        1 if isinstance(value, int) else sum(byte < 0x80 for byte in value) for value in values
    )


def _operators(rows: list[Message], part: str) -> list[OperatorLatency]:
    ordered = sorted(rows, key=lambda row: row.integer(6) or 0)
    return [_operator(row, part) for row in ordered]


def _operator(row: Message, part: str) -> OperatorLatency:
    times, memory = row.message(2), row.message(3)

    def known(number: int) -> float | None:
        value = times.integer(number)
        return None if value is None else float(value)

    mean_us = _mean(times)
    memory_kb = memory.integer(3)
    return OperatorLatency(
        kind=row.text(1)[:LONGEST_NAME],
        name=row.text(5)[:LONGEST_NAME],
        part=part,
        mean_us=mean_us,
        times_called=row.integer(4) or 0,
        first_us=known(1),
        std_us=times.real(4),
        min_us=known(6),
        max_us=known(7),
        memory_kb=None if memory_kb is None else float(memory_kb),
    )


def _mean(times: Message) -> float:
    """Return the mean, by sum and count where they are there: the mean itself is rounded."""
    total, count, mean = times.integer(8), times.integer(9), times.integer(3)
    if total is not None and count:
        return total / count
    if mean is None:
        raise FormatError("an operator without latency is none")
    return float(mean)
