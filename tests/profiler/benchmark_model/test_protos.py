"""Against Google's own library for protocol buffers, with the fields of the tool's own schemas."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeAlias

import hypothesis.strategies as st
import pytest
from hypothesis import given

from sartor.profiler.benchmark_model import (
    Delegation,
    read_delegations,
    read_profile,
    read_result,
)
from sartor.profiler.benchmark_model.wire import MOST_BYTES, read_message
from sartor.tables.errors import FormatError

protobuf = pytest.importorskip("google.protobuf", reason="comes with onnx")

Message: TypeAlias = Any  # made at run time
Make: TypeAlias = Callable[..., Message]

# (name, number, type) of the fields that we read, as the schemas have them.
_SCHEMAS: dict[str, list[tuple[str, int, str]]] = {
    "LatencyMetrics": [
        (name, number, "float")
        for number, name in enumerate(
            ("avg", "min", "max", "stddev", "median", "p5", "p95", "init", "first", "warm"), 1
        )
    ],
    "MemoryMetrics": [("init_kb", 1, "int64"), ("overall_kb", 2, "int64"), ("peak", 3, "float")],
    "MiscMetrics": [("size", 1, "float"), ("runs", 2, "int32"), ("warm_runs", 3, "int32")],
    "BenchmarkResult": [
        ("name", 1, "string"),
        ("latency", 2, "LatencyMetrics"),
        ("memory", 3, "MemoryMetrics"),
        ("misc", 4, "MiscMetrics"),
    ],
    "Stat": [
        ("first", 1, "int64"),
        ("last", 2, "int64"),
        ("avg", 3, "int64"),
        ("stddev", 4, "float"),
        ("variance", 5, "float"),
        ("min", 6, "int64"),
        ("max", 7, "int64"),
        ("sum", 8, "int64"),
        ("count", 9, "int64"),
    ],
    "Op": [
        ("node_type", 1, "string"),
        ("us", 2, "Stat"),
        ("mem", 3, "Stat"),
        ("times", 4, "int64"),
        ("name", 5, "string"),
        ("order", 6, "int64"),
    ],
    "SubGraph": [("name", 1, "string"), ("index", 2, "int32"), ("ops", 3, "Op*")],
    "Delegate": [("name", 1, "string"), ("ops", 2, "Op*")],
    "Model": [("subgraphs", 1, "SubGraph*"), ("delegates", 2, "Delegate*")],
    "Profile": [("model", 1, "string"), ("init", 2, "Model"), ("runtime", 3, "Model")],
    "Details": [("delegate", 1, "string"), ("replaced", 2, "packed int32")],
    "Node": [("id", 1, "int32"), ("details", 8, "Details"), ("delegated_to", 9, "int32")],
    "RuntimeSubgraph": [("id", 1, "int32"), ("nodes", 3, "Node*"), ("type", 5, "int32")],
    "Runtime": [("model", 1, "string"), ("subgraphs", 2, "RuntimeSubgraph*")],
}


@pytest.fixture(scope="module")
def make() -> Make:
    """Makes a message by its name."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="tool.proto", package="tool", syntax="proto2")
    kinds = descriptor_pb2.FieldDescriptorProto
    for message, fields in _SCHEMAS.items():
        described = file.message_type.add(name=message)
        for name, number, written in fields:
            field = described.field.add(name=name, number=number)
            kind = written.removeprefix("packed ").removesuffix("*")
            many = kind != written
            field.label = kinds.LABEL_REPEATED if many else kinds.LABEL_OPTIONAL
            if kind in _SCHEMAS:
                field.type, field.type_name = kinds.TYPE_MESSAGE, f".tool.{kind}"
            else:
                field.type = getattr(kinds, f"TYPE_{kind.upper()}")
            field.options.packed = written.startswith("packed ")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return lambda kind, **values: message_factory.GetMessageClass(
        pool.FindMessageTypeByName(f"tool.{kind}")
    )(**values)


def test_a_result(make: Make) -> None:
    written = make(
        "BenchmarkResult",
        name="CPU",
        latency=make(
            "LatencyMetrics", avg=0.947, min=0.91, max=1.102, stddev=0.023, median=0.942,
            p5=0.915, p95=0.991, init=5.757, first=2.125, warm=0.95,
        ),
        memory=make("MemoryMetrics", init_kb=4157, overall_kb=7240),
        misc=make("MiscMetrics", size=0.23, runs=1054, warm_runs=526),
    )  # fmt: skip
    outcome = read_result(written.SerializeToString())
    assert outcome.inference.count == 1054
    assert outcome.inference.mean_us == pytest.approx(947)
    assert outcome.inference.p95_us == pytest.approx(991)
    assert outcome.inference.std_us == pytest.approx(23)
    assert (outcome.init_memory_kb, outcome.overall_memory_kb) == (4157, 7240)
    assert outcome.init_us == pytest.approx(5757)


def test_a_result_without_latency_is_none(make: Make) -> None:
    with pytest.raises(FormatError, match="without a mean is none"):
        read_result(make("BenchmarkResult", name="CPU").SerializeToString())
    with pytest.raises(FormatError):
        read_result(b"")


def op(make: Make, name: str, order: int, total: int, count: int) -> Message:
    times = make("Stat", first=9, avg=total // count, stddev=0.5, min=1, max=9, sum=total)
    times.count = count
    return make("Op", node_type="CONV_2D", us=times, times=1, name=name, order=order)


def test_a_profile(make: Make) -> None:
    written = make(
        "Profile",
        model="m",
        init=make("Model", subgraphs=[make("SubGraph", ops=[op(make, "loading", 0, 5, 1)])]),
        runtime=make(
            "Model",
            subgraphs=[
                make("SubGraph", ops=[op(make, "b", 2, 7, 2), op(make, "a", 1, 10, 4)]),
                make("SubGraph", index=3, ops=[op(make, "c", 1, 3, 1)]),
            ],
            delegates=[make("Delegate", name="XNN", ops=[op(make, "d", 1, -0, 1)])],
        ),
    )
    operators = read_profile(written.SerializeToString())
    assert [(each.part, each.name, each.mean_us) for each in operators] == [
        ("", "a", 2.5),
        ("", "b", 3.5),
        ("subgraph 3", "c", 3),
        ("delegate XNN", "d", 0),
    ]
    assert (operators[0].std_us, operators[0].min_us, operators[0].max_us) == (0.5, 1, 9)


def test_a_negative_latency_is_refused(make: Make) -> None:
    model = make("Model", subgraphs=[make("SubGraph", ops=[op(make, "a", 1, -5, 1)])])
    with pytest.raises(FormatError, match="no clock"):
        read_profile(make("Profile", runtime=model).SerializeToString())


def test_delegations(make: Make) -> None:
    nodes = [make("Node", id=number, delegated_to=70) for number in range(70)]
    taken = [[*range(60), 300], list(range(61, 69))]
    nodes += [
        make("Node", id=70 + part, details=make("Details", delegate="XNN", replaced=numbers))
        for part, numbers in enumerate(taken)
    ]
    written = make(
        "Runtime",
        model="m",
        subgraphs=[
            make("RuntimeSubgraph", id=1, type=2),
            make("RuntimeSubgraph", id=0, type=1, nodes=nodes),
        ],
    )
    assert read_delegations(written.SerializeToString()) == (Delegation("XNN", 69, 2),)
    with pytest.raises(FormatError, match="no main graph"):
        read_delegations(make("Runtime", model="m").SerializeToString())


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    for read in (read_result, read_profile, read_delegations):
        with suppress(FormatError):
            read(content)


@given(st.data())
def test_damaged_profiles_are_read_or_refused(make: Make, data: st.DataObject) -> None:
    model = make("Model", subgraphs=[make("SubGraph", ops=[op(make, "a", 1, 9, 3)] * 3)])
    content = bytearray(make("Profile", runtime=model).SerializeToString())
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = read_profile(bytes(content))
    except FormatError:
        return
    assert len(found) <= len(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x08", "ends in the middle"),
        (b"\x08" + b"\xff" * 10, "longer than 64 bits"),
        (b"\x0a\x7fab", "longer than the message"),
        (b"\x0b", "no longer used"),
        (b"\x00\x01", "number 0"),
        (b"\x0d\x01", "longer than the message"),
    ],
)
def test_bytes_that_are_no_message(content: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        read_message(content)


def test_more_than_makes_sense_is_refused() -> None:
    with pytest.raises(FormatError, match="longer than any"):
        read_message(b"\0" * (MOST_BYTES + 1))
    with pytest.raises(FormatError, match="200000 fields"):
        read_message(b"\x08\x01" * 200_001)


def test_negative_integers_and_wrong_types() -> None:
    message = read_message(b"\x08" + b"\xff" * 9 + b"\x01" + b"\x12\x02hi")
    assert message.integer(1) == -1
    assert message.text(2) == "hi"
    assert message.integer(3) is None
    with pytest.raises(FormatError, match="holds no integer"):
        message.integer(2)
    with pytest.raises(FormatError, match="holds no text"):
        message.text(1)
    with pytest.raises(FormatError, match="holds no message"):
        message.messages(1)
    with pytest.raises(FormatError, match="single precision"):
        message.real(2)
