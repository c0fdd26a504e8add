from __future__ import annotations

import csv
import io
import json
import sys

import pytest
from hypothesis import given, settings

from sartor.tables import LatencyTable, Network, Operator, Provenance
from sartor.tables.errors import RuntimeMissingError
from sartor.tables.formats.flat import COLUMNS, flat_rows, to_csv, to_parquet
from sartor.tables.quotation import Quotation

from .children import PROVENANCE, operator, window
from .strategies import tables

WHOLE = Network("whole", (operator(1),))
TABLE = LatencyTable.from_windows(
    "mine",
    PROVENANCE,
    {operator(1): [window(0), window(1, 2000.0)]},
    {operator(3): "out of memory"},
    {operator(2): Quotation(0.1, 0.02, 400), WHOLE: Quotation(2.5)},
)


def test_a_row_says_all_that_is_known() -> None:
    published, measured, whole = flat_rows(TABLE)[1], flat_rows(TABLE)[0], flat_rows(TABLE)[2]
    assert measured | {"low_ms": None, "high_ms": None} == {
        "subject": "dense/8x1x1/out=1/none/float32",
        "kind": "dense",
        "shape": "8x1x1",
        "attributes": "out=1",
        "activation": "none",
        "dtype": "float32",
        "latency_ms": 1.5,
        "low_ms": None,
        "high_ms": None,
        "samples": 200,
        "windows": 2,
        "verdict": "unknown",
        "source": "measured",
        "device": "local",
        "condition": "litert/threads=1,batch=1/float32/-",
    }
    assert (published["source"], published["samples"], published["windows"]) == (
        "published",
        400,
        0,
    )
    assert published["verdict"] == "unsteady"  # ± 2 %
    assert published["low_ms"] == pytest.approx(0.1 - 1.966 * 0.02 / 20, rel=1e-3)
    assert (whole["subject"], whole["kind"], whole["shape"]) == ("network whole", "network", None)
    assert (whole["samples"], whole["low_ms"]) == (None, None)


@given(tables())
@settings(max_examples=40)
def test_csv_reads_back_to_the_last_digit(table: LatencyTable) -> None:
    lines = list(csv.DictReader(io.StringIO(to_csv(table).decode(), newline="")))
    assert len(lines) == len(table.by_subject)
    by_text = {str(subject): row for subject, row in table.by_subject.items()}
    for line in lines:
        row = by_text[line["subject"]]
        assert tuple(line) == COLUMNS
        assert float(line["latency_ms"]) == row.median_ms
        assert line["samples"] == ("" if row.sample_count is None else str(row.sample_count))
        ends = row.interval_ms()
        assert [line["low_ms"], line["high_ms"]] == (
            ["", ""] if ends is None else list(map(str, ends))
        )
        if line["kind"] != "network":
            parts = (line[name] for name in ("kind", "shape", "attributes", "activation", "dtype"))
            assert str(Operator.parse("/".join(parts))) == line["subject"]
        assert line["device"] == table.provenance.device


@given(tables())
@settings(max_examples=20)
def test_parquet_reads_back_with_its_provenance(table: LatencyTable) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pip install 'sartor[exchange]'")
    read = parquet.read_table(io.BytesIO(to_parquet(table)))
    assert read.to_pylist() == flat_rows(table)
    assert tuple(read.column_names) == COLUMNS
    assert [str(read.schema.field(name).type) for name in ("latency_ms", "samples", "kind")] == [
        "double",
        "int64",
        "string",
    ]
    metadata = read.schema.metadata
    assert metadata[b"sartor.name"].decode() == table.name
    provenance = json.loads(metadata[b"sartor.provenance"])
    assert Provenance.from_dict(provenance) == table.provenance


def test_without_pyarrow_the_command_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(RuntimeMissingError, match=r"pip install 'sartor\[exchange\]'"):
        to_parquet(TABLE)
