"""What benchmark_model prints: statistics of a model, and tables of its operators.

There are two tools of that name. The older, TensorFlow Lite's, prints ``Inference timings in us``
at the end; the newer, LiteRT's, ``BENCHMARK RESULTS``. Both print a line of statistics after each
of the two phases, and both their profilers print tables, as text or separated by commas. Everything
here takes any text and either makes sense of it or raises FormatError.

Source: ``Stat::OutputToStream`` and ``StatsCalculator::ColumnString`` in
xla/tsl/util/stats_calculator.{h,cc}, ``BenchmarkModel::Run`` in
tflite/tools/benchmark/benchmark_model.cc, of LiteRT 2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...tables.errors import FormatError
from .outcome import LONGEST_NAME, Latencies, OperatorLatency, Outcome

MOST_CHARACTERS = 1 << 22
_MOST_OPERATORS = 100_000

_NUMBER = r"-?\d{1,19}(?:\.\d{1,19})?(?:e[+-]\d{1,3})?"
_PHASE = re.compile(r"Running benchmark for at least \d+ iterations")
_STATISTICS = re.compile(rf"\bcount=(\d{{1,18}})((?: (?:first|curr|min|max|avg|std)={_NUMBER})*)")
_PERCENTILES = re.compile(rf" p5=({_NUMBER}) median=({_NUMBER}) p95=({_NUMBER})")
_FIELD = re.compile(rf"(\w+)=({_NUMBER})")
_INIT = re.compile(rf"Initialized session in ({_NUMBER})ms")
_FOOTPRINT = re.compile(rf"[Mm]emory footprint[^\n=]{{0,60}} init=({_NUMBER}) overall=({_NUMBER})")
_INIT_FOOTPRINT = re.compile(rf"Init footprint: +({_NUMBER}) MB")
_OVERALL_FOOTPRINT = re.compile(rf"Overall footprint: +({_NUMBER}) MB")
_ERROR = re.compile(r"^(?:ERROR|FATAL)\b:?\s*(.*)$", re.MULTILINE)
_UNKNOWN_FLAGS = re.compile(r"Unconsumed cmdline flags: (.*)$", re.MULTILINE)

_REGULAR = "Operator-wise Profiling Info for Regular Benchmark Runs:"
_RUN_ORDER = re.compile(r"^=+ Run Order =+$")
_SECTION = re.compile(r"^=+ .* =+$")
_PART = re.compile(r"^(?:Primary graph|(Subgraph) \(index: (\d{1,9})\)) profile:$")
_DELEGATE = re.compile(r"^Delegate internal: *$")
_SHARE = rf"(?:{_NUMBER}|-?nan)%"  # of no time at all, nothing has a share
_COMMAS = re.compile(
    rf"^(?P<kind>.*?)(?:, {_NUMBER})?, (?P<first>{_NUMBER}), (?P<mean>{_NUMBER})"
    rf", {_SHARE}, {_SHARE}, (?P<memory>{_NUMBER}), (?P<times>\d{{1,12}}), (?P<name>.*)$"
)
_TABS = re.compile(
    rf"^\t *(?P<kind>[^\t]*)(?:\t *{_NUMBER})?\t *(?P<first>{_NUMBER})\t *(?P<mean>{_NUMBER})"
    rf"\t *{_SHARE}\t *{_SHARE}\t *(?P<memory>{_NUMBER})\t *(?P<times>\d{{1,12}})\t(?P<name>.*)$"
)
"""Both with or without the column ``start``, which newer tools have not."""


def read_printed(text: str) -> Outcome:
    """Read what a successful run printed.

    Raises:
        FormatError: it is anything else.
    """
    _check(text)
    phases = list(_phases(text))
    if len(phases) != 2:
        raise FormatError(f"benchmark_model reports on 2 phases, not {len(phases)}")
    warmup, inference = phases
    if inference is None:
        raise FormatError("benchmark_model ran no inference")
    footprint = _FOOTPRINT.search(text)
    return Outcome(
        inference=inference,
        warmup=warmup,
        init_us=_scaled(_INIT.search(text), 1e3),
        init_memory_kb=_scaled(footprint or _INIT_FOOTPRINT.search(text), 1024),
        overall_memory_kb=_scaled(footprint, 1024, 2)
        if footprint
        else _scaled(_OVERALL_FOOTPRINT.search(text), 1024),
        operators=read_operators(text),
    )


def read_complaint(text: str) -> str:
    """Return what the tool says went wrong, at most 300 characters; empty where it says nothing."""
    said = list(dict.fromkeys(found.strip() for found in _ERROR.findall(text[:MOST_CHARACTERS])))
    return "; ".join(filter(None, said))[:300]


def read_unknown_flags(text: str) -> str:
    """Return the flags that the tool did not know, and so ignored; empty where it knew all."""
    found = _UNKNOWN_FLAGS.search(text[:MOST_CHARACTERS])
    return found[1].strip()[:300] if found else ""


def read_operators(text: str) -> tuple[OperatorLatency, ...]:
    """Read the profiler's tables, printed or written to a CSV file; empty where there are none.

    Of the tables, that in the order of the run counts; the others hold the same rows.

    Raises:
        FormatError: a row makes no sense.
    """
    _check(text)
    _, regular, after = text.partition(_REGULAR)
    found: list[OperatorLatency] = []
    part, begun = "", False
    row_of: re.Pattern[str] | None = None
    for line in (after if regular else text).splitlines():
        if match := _PART.match(line):
            part, begun, row_of = (f"subgraph {match[2]}" if match[1] else ""), False, None
        elif _DELEGATE.match(line):
            part, begun, row_of = "delegate", False, None
        elif _RUN_ORDER.match(line):
            begun, row_of = True, None
        elif _SECTION.match(line) or not line.strip():
            begun, row_of = False, None
        elif begun:
            begun, row_of = False, _header(line)
        elif row_of is not None:
            found.append(_operator(row_of, line, part))
            if len(found) > _MOST_OPERATORS:
                raise FormatError(f"more than {_MOST_OPERATORS} operators make no sense")
    return tuple(found)


def _check(text: str) -> None:
    if len(text) > MOST_CHARACTERS:
        raise FormatError(f"benchmark_model does not print {len(text)} characters")


def _phases(text: str) -> Iterator[Latencies | None]:
    """Go through the lines of statistics that follow the announcement of a phase."""
    announced = False
    for line in text.splitlines():
        if _PHASE.search(line):
            announced = True
        elif announced and (match := _STATISTICS.search(line)):
            announced = False
            yield _latencies(match, line)


def _latencies(match: re.Match[str], line: str) -> Latencies | None:
    """Read a line of statistics; None if it is of no inferences."""
    count = int(match[1])
    if count == 0:
        return None
    fields = {name: float(value) for name, value in _FIELD.findall(match[2])}
    if fields.keys() == {"curr"}:  # one inference, or all took the same
        fields = dict.fromkeys(("first", "min", "max", "avg"), fields["curr"]) | {"std": 0.0}
    if missing := {"min", "max", "avg", "std"} - fields.keys():
        raise FormatError(f"{line[:200]!r} lacks {', '.join(sorted(missing))}")
    percentiles = _PERCENTILES.search(line)
    p5_us, median_us, p95_us = map(float, percentiles.groups()) if percentiles else (None,) * 3
    return Latencies(
        count=count,
        mean_us=fields["avg"],
        std_us=fields["std"],
        min_us=fields["min"],
        max_us=fields["max"],
        first_us=fields.get("first"),
        p5_us=p5_us,
        median_us=median_us,
        p95_us=p95_us,
    )


def _header(line: str) -> re.Pattern[str]:
    """Tell by a table's head how its rows are written."""
    if "[node type]" in line:
        return _TABS
    if line.startswith("node type, "):
        return _COMMAS
    raise FormatError(f"{line[:200]!r} is no head of a table of operators")


def _operator(row: re.Pattern[str], line: str, part: str) -> OperatorLatency:
    if (match := row.match(line)) is None:
        raise FormatError(f"{line[:200]!r} is no row of a table of operators")
    return OperatorLatency(
        kind=match["kind"].strip()[:LONGEST_NAME],
        name=match["name"].strip()[:LONGEST_NAME],
        part=part,
        mean_us=float(match["mean"]) * 1e3,
        times_called=int(match["times"]),
        first_us=float(match["first"]) * 1e3,
        memory_kb=float(match["memory"]),
    )


def _scaled(match: re.Match[str] | None, factor: float, group: int = 1) -> float | None:
    return None if match is None else float(match[group]) * factor
