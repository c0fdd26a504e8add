"""What hypothesis draws: operators of every kind, windows, and whole tables."""

from __future__ import annotations

import hypothesis.strategies as st

from sartor.tables import (
    Call,
    Condition,
    Frame,
    Framed,
    LatencyTable,
    Network,
    Operator,
    Provenance,
    Shape,
    Subject,
    Window,
)
from sartor.tables.estimate import Estimate, Transfer
from sartor.tables.health import BatchHealth
from sartor.tables.operator import ACTIVATIONS
from sartor.tables.quotation import Quotation

sizes = st.integers(1, 64)
channels = st.integers(1, 512)
kernels = st.sampled_from([1, 3, 5, 7])
strides = st.sampled_from([1, 2])
activations = st.sampled_from(ACTIVATIONS)
maps: st.SearchStrategy[Shape] = st.tuples(channels, sizes, sizes)


@st.composite
def operators(draw: st.DrawFn) -> Operator:
    """One operator that obeys the rule of its kind."""
    kinds = ["add", "average", "conv2d", "dense", "depthwise", "max", "pool", "squeeze"]
    kind = draw(st.sampled_from(kinds))
    shape, out, activation = draw(maps), draw(channels), draw(activations)
    kernel, stride = draw(kernels), draw(strides)
    if kind == "add":
        return Operator("add", (shape, shape))
    if kind == "conv2d":
        counts = (("kernel", kernel), ("out", out), ("stride", stride))
        return Operator("conv2d", (shape,), counts, activation)
    if kind == "dense":
        return Operator("dense", (shape,), (("out", out),), activation)
    if kind == "depthwise":
        return Operator(
            "depthwise_conv2d", (shape,), (("kernel", kernel), ("stride", stride)), activation
        )
    if kind == "average":
        return Operator("average_pool", (shape,), (("window", draw(strides)),), activation)
    if kind == "max":
        pool = (("kernel", kernel if kernel > 1 else 3), ("stride", stride))
        return Operator("max_pool", (shape,), pool, draw(st.sampled_from(["relu", "relu6"])))
    if kind == "pool":
        return Operator("global_average_pool", (shape,))
    return Operator("squeeze_excite", (shape,), (("middle", out),))


@st.composite
def mbconvs(draw: st.DrawFn) -> Operator:
    """One MBConv, with a residual where its output fits its input, or without."""
    before, stride = draw(maps), draw(strides)
    out = draw(st.one_of(channels, st.just(before[0])))
    attributes = {
        "expand": draw(st.one_of(channels, st.just(before[0]))),
        "kernel": draw(kernels),
        "out": out,
        "se": draw(st.one_of(st.just(0), channels)),
        "skip": draw(st.integers(0, int(stride == 1 and out == before[0]))),
        "stride": stride,
    }
    return Operator("mbconv", (before,), tuple(attributes.items()), draw(activations))


pooled_denses = st.builds(
    lambda shape, out: Operator("pooled_dense", (shape,), (("out", out),)), maps, channels
)

blocks: st.SearchStrategy[Operator] = st.one_of(mbconvs(), pooled_denses)

quotations = st.builds(
    Quotation,
    st.floats(1e-6, 1e6),
    st.one_of(st.none(), st.floats(0, 1e6)),
    st.one_of(st.none(), st.integers(1, 10**6)),
)

latencies_ms = st.floats(1e-6, 1e6)

latencies_us = st.floats(0.125, 1e6, width=32)

conditions = st.builds(
    Condition,
    runtime=st.sampled_from(["litert", "onnxruntime", "tflite-runtime"]),
    threads=st.integers(1, 64),
    batch=st.integers(1, 64),
    options=st.sampled_from(["", "xnnpack=0", "level=extended,arena=0"]),
    cores=st.sampled_from(["", "0-64", "1,3-67", "0-127"]),
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)

provenances = st.builds(
    Provenance,
    device=texts,
    facts=st.dictionaries(texts, texts, max_size=3).map(lambda d: tuple(sorted(d.items()))),
    condition=conditions,
    runtime_version=texts,
    runtime_sha256=texts,
    agent_version=texts,
    writer_version=texts,
    created_at=texts,
    sartor_version=texts,
)


def windows(pass_index: int) -> st.SearchStrategy[Window]:
    """One window of a given pass."""
    return st.builds(
        Window,
        pass_index=st.just(pass_index),
        samples_us=st.lists(latencies_us, min_size=1, max_size=8).map(tuple),
        preempted=st.integers(0, 9),
        reference_us=st.floats(1, 1e6),
        started_at=texts,
    )


passes = st.integers(1, 4).flatmap(lambda n: st.tuples(*map(windows, range(n))))

networks = st.builds(
    Network,
    name=st.text("abc123:.|-", min_size=1, max_size=12),
    operators=st.lists(operators(), max_size=4).map(tuple),
)

subjects: st.SearchStrategy[Subject] = st.one_of(
    operators(),
    blocks,
    networks,
    operators().map(Framed),
    maps.map(Frame),
    st.integers(1, 99).map(Call),
)


numbers = st.none() | st.floats(0, 1e6)
counts = st.none() | st.integers(0, 10**6)
healths = st.builds(
    BatchHealth,
    pass_index=st.integers(0, 9),
    started_at=texts,
    seconds=st.floats(0, 100),
    warnings=st.lists(texts, max_size=2).map(tuple),
    busy_cores=numbers,
    load=numbers,
    memory_available_mb=counts,
    frequency_mhz=counts,
    temperature_c=numbers,
    throttles=counts,
    governor=texts,
)


@st.composite
def tables(draw: st.DrawFn) -> LatencyTable:
    """One table, measured, published and estimated in parts; networks of one name are one."""
    drawn = draw(st.lists(subjects, max_size=6, unique_by=str))
    publishable = [one for one in drawn if isinstance(one, Operator | Network)]
    published: dict[Subject, Quotation] = {
        subject: draw(quotations) for subject in publishable if draw(st.booleans())
    }
    timed = {subject: draw(passes) for subject in drawn if subject not in published}
    failures: dict[Subject, str] = {
        operator: draw(texts) for operator in draw(st.lists(operators(), max_size=2))
    }
    transfer = draw(st.one_of(st.none(), transfers([*timed, *drawn_operators(draw)])))
    name = draw(st.text("abc-_ .é", min_size=1).filter(str.strip))
    health = tuple(draw(st.lists(healths, max_size=3)))
    return LatencyTable.from_windows(
        name, draw(provenances), timed, failures, published, health, transfer
    )


def drawn_operators(draw: st.DrawFn) -> list[Operator]:
    """Operators that nobody measured."""
    return draw(st.lists(operators(), max_size=2))


@st.composite
def transfers(draw: st.DrawFn, of: list[Subject]) -> Transfer:
    """Estimates of some operators, and of networks that were measured."""
    return Transfer(
        draw(st.lists(texts, max_size=2).map(tuple)),
        draw(st.floats(-10, 10)),
        draw(st.floats(0, 2)),
        {one: Estimate(draw(latencies_ms)) for one in of if isinstance(one, Operator)},
        {one: draw(latencies_ms) for one in of if isinstance(one, Network)},
    )
