"""Flat tables: one line a latency, for spreadsheets, data frames and papers.

What a table is *for* goes along: latency, interval, how many samples. The samples themselves and
the calibration do not, so a flat table cannot be imported again; JSON Lines can.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping

from ..errors import RuntimeMissingError
from ..operator import Operator
from ..subject import Network
from ..table import LatencyTable
from ..verdict import judge_row

COLUMNS = (
    "subject",
    "kind",
    "shape",
    "attributes",
    "activation",
    "dtype",
    "latency_ms",
    "low_ms",
    "high_ms",
    "samples",
    "windows",
    "verdict",
    "source",
    "device",
    "condition",
)
"""Names of the columns; ``low_ms`` and ``high_ms`` are the ends of the 95 % interval, ``verdict``
is what that says: steady (within 1 %), unsteady, or unknown (worse than 10 %)."""

Value = str | float | int | None


def flat_rows(table: LatencyTable) -> list[dict[str, Value]]:
    """Return every latency of a table as values by column, sorted by subject.

    None stands where a value is not known, or where a whole network has none.
    """
    provenance = table.provenance
    rows: list[dict[str, Value]] = []
    for subject, row in sorted(table.by_subject.items(), key=lambda pair: str(pair[0])):
        low_ms, high_ms = row.interval_ms() or (None, None)
        rows.append(
            {
                "subject": str(subject),
                **_described(subject),
                "latency_ms": row.median_ms,
                "low_ms": low_ms,
                "high_ms": high_ms,
                "samples": row.sample_count,
                "windows": len(row.window_medians_ms),
                "verdict": judge_row(row).value,
                "source": row.source,
                "device": provenance.device,
                "condition": str(provenance.condition),
            }
        )
    return rows


def to_csv(table: LatencyTable) -> bytes:
    """Write a table as CSV (RFC 4180, UTF-8) with a line of ``COLUMNS``; unknown is empty."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows(flat_rows(table))
    return text.getvalue().encode()


def to_parquet(table: LatencyTable) -> bytes:
    """Write a table as Parquet; its name and provenance are metadata of the file, as JSON.

    Raises:
        RuntimeMissingError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise RuntimeMissingError(
            "pyarrow writes Parquet and is not installed; "
            "install it with: pip install 'sartor[exchange]'"
        ) from error
    numbers = dict.fromkeys(("latency_ms", "low_ms", "high_ms"), pa.float64())
    counts = dict.fromkeys(("samples", "windows"), pa.int64())
    types = numbers | counts
    metadata = {
        "sartor.name": table.name,
        "sartor.provenance": json.dumps(table.provenance.to_dict(), ensure_ascii=False),
    }
    schema = pa.schema([(column, types.get(column, pa.string())) for column in COLUMNS], metadata)
    buffer = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(flat_rows(table), schema), buffer)
    return buffer.getvalue()


def _described(subject: Operator | Network) -> Mapping[str, Value]:
    """Take an operator apart as its text does; a whole network has no parts."""
    names = ("shape", "attributes", "activation", "dtype")
    if isinstance(subject, Network):
        return {"kind": "network"} | dict.fromkeys(names)
    kind, *fields = str(subject).split("/")
    described: dict[str, Value] = {"kind": kind}
    return described | dict(zip(names, fields, strict=True))
