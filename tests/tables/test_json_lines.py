from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings

from sartor.tables import LatencyTable, Store, Subject, read_json_lines, write_json_lines
from sartor.tables.errors import FormatError, OutputError
from sartor.tables.formats import from_json_lines, to_json_lines
from sartor.tables.quotation import Quotation

from .children import PROVENANCE, operator, window
from .strategies import tables

TABLE = LatencyTable.from_windows(
    "mine", PROVENANCE, {operator(1): [window(0)], operator(2): [window(0)]}, {}
)


@given(tables())
def test_a_table_reads_back_as_it_was(table: LatencyTable) -> None:
    again = from_json_lines(to_json_lines(table))
    assert again.provenance == table.provenance
    assert again.windows.keys() == table.windows.keys()
    assert again.quotations == table.quotations
    assert again.failures == table.failures
    assert again.transfer == table.transfer
    assert to_json_lines(again) == to_json_lines(table)


@given(tables())
@settings(max_examples=20)
def test_a_file_carries_a_table_from_store_to_store(table: LatencyTable) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.jsonl"
        with Store.open(Path(folder) / "one.db") as one:
            one.add(table)
            write_json_lines(one.load(table.name), path)
        with Store.open(Path(folder) / "two.db") as two:
            two.add(read_json_lines(path))
            assert to_json_lines(two.load(table.name)) == path.read_bytes()


def test_samples_are_written_as_people_would() -> None:
    again = from_json_lines(to_json_lines(TABLE))
    assert again.windows[operator(1)][0].samples_us[0] == 1000.0
    odd = LatencyTable.from_windows("odd", PROVENANCE, {operator(1): [window(0, 12.345)]}, {})
    assert b"[12.345, 12.345, " in to_json_lines(odd)


OLDER = """\
{"format": "sartor-latency-table", "version": 1, "name": "old", "provenance": {"device": "local", \
"facts": {"cores": "2"}, "condition": "litert/threads=1,batch=1/float32/-", "runtime_version": \
"2.3.0", "runtime_sha256": "ab12", "agent_version": "1", "writer_version": "1", "created_at": \
"2026", "sartor_version": "0.1.0"}, "subjects": 3}
{"network": "whole", "operators": ["dense/8x1x1/out=1/none/float32"], "windows": [{"pass": 0, \
"samples_us": [3000.0], "preempted": 0, "reference_us": 100.0, "started_at": "2026-01-01"}]}
{"operator": "dense/8x1x1/out=1/none/float32", "windows": [{"pass": 0, "samples_us": [1000.0, \
1200.0], "preempted": 1, "reference_us": 100.0, "started_at": "2026-01-01"}]}
{"operator": "dense/8x1x1/out=2/none/float32", "windows": [], "failure": "out of memory"}
"""
"""What Sartor wrote before there were quotations."""


def test_a_file_of_version_1_still_reads() -> None:
    table = from_json_lines(OLDER.encode())
    assert (table.name, table.provenance) == ("old", PROVENANCE)
    assert table.latencies_ms == {operator(1): pytest.approx(1.1)}
    assert table.windows[operator(1)][0].preempted == 1
    assert [whole.measurement.median_ms for whole in table.networks] == [3.0]
    assert table.failures == {operator(2): "out of memory"}
    assert from_json_lines(to_json_lines(table)) == table
    quoted = OLDER.replace('"windows": [], ', '"quotation": {"latency_ms": 1}, ')
    with pytest.raises(FormatError, match="line 4: 'windows' is missing"):
        from_json_lines(quoted.encode())


def lines() -> list[str]:
    return to_json_lines(TABLE).decode().splitlines()


def test_what_was_published_is_written_as_it_was() -> None:
    quoted: dict[Subject, Quotation] = {
        operator(1): Quotation(0.1, 0.02, 498),
        operator(2): Quotation(1e-05),
    }
    content = to_json_lines(LatencyTable.from_windows("q", PROVENANCE, {}, {}, quoted))
    assert b'"quotation": {"latency_ms": 0.1, "deviation_ms": 0.02, "count": 498}}' in content
    assert b'"quotation": {"latency_ms": 1e-05}}' in content
    assert from_json_lines(content).rows == quoted


def edited(line: int, **changes: object) -> bytes:
    texts = lines()
    texts[line] = json.dumps(json.loads(texts[line]) | changes)
    return "\n".join(texts).encode()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "line 1"),
        (b"\xff\xfe", "line 1"),
        (b"[]\n", "line 1"),
        (b"{}\n", "line 1: 'format' is missing"),
        (edited(0, format="csv"), "line 1: the format is 'csv'"),
        (edited(0, version=4), "line 1: version 4 .* reads up to 3; update Sartor"),
        (edited(0, version=0), "line 1: version 0"),
        (edited(1, quotation={}), "line 2: 'latency_ms' is missing"),
        (edited(1, quotation={"latency_ms": 0}), "line 2: 0.0 ms is no latency"),
        (edited(1, quotation={"latency_ms": 1, "count": 0}), "line 2: a latency of 0 inferences"),
        (edited(1, estimate={"latency_ms": 1}), "line 1: estimates, and nothing says where"),
        (edited(1, estimate={}), "line 2: 'latency_ms' is missing"),
        (edited(0, transfer={"known": []}), "line 1: 'offset_ms' is missing"),
        (edited(0, provenance={}), "line 1: a provenance is an object of"),
        ("\n".join(lines()[:-1]).encode(), "1 subjects where the manifest says 2: .* truncated"),
        ("\n".join(lines()).encode()[:-20], "line 3"),
        (edited(0, subjects=3), "truncated"),
        (edited(1, operator="nonsense"), "line 2: 'nonsense' is not KIND"),
        (edited(2, operator=str(operator(1))), "line 3: .* stands there twice"),
        (edited(1, windows=[{}]), "line 2: 'pass' is missing"),
        (edited(1, windows=3), "line 2"),
        (edited(1, network="whole"), "line 2: 'operators' is missing"),
    ],
)
def test_a_file_that_makes_no_sense_says_where(content: bytes, complaint: str) -> None:
    with pytest.raises(FormatError, match=complaint):
        from_json_lines(content)


def test_an_empty_window_is_no_window() -> None:
    values = json.loads(lines()[1])["windows"][0] | {"samples_us": []}
    with pytest.raises(FormatError, match="line 2: a window without samples"):
        from_json_lines(edited(1, windows=[values]))


def test_files_are_named_in_errors(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"cannot read .*missing\.jsonl: No such file"):
        read_json_lines(tmp_path / "missing.jsonl")
    (tmp_path / "bad.jsonl").write_text("nonsense\n")
    with pytest.raises(FormatError, match=r"bad\.jsonl: line 1: Expecting value"):
        read_json_lines(tmp_path / "bad.jsonl")
    with pytest.raises(OutputError, match="Is a directory"):
        write_json_lines(TABLE, tmp_path)


def test_a_table_may_be_imported_under_another_name(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.db") as store:
        store.add(TABLE)
        store.add(replace(TABLE, name="copy"))
        assert store.load("copy").latencies_ms == store.load("mine").latencies_ms
