"""Values as rows of the store, and back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
from sqlalchemy import RowMapping

from .database import DamageError
from .estimate import Transfer
from .health import BatchHealth
from .measurement import Window
from .operator import Operator
from .provenance import Provenance
from .quotation import Quotation
from .subject import Network, Subject, parse_subject


def provenance_text(provenance: Provenance) -> str:
    """Write a provenance as one line of JSON."""
    return json.dumps(provenance.to_dict(), ensure_ascii=False)


def read_provenance(text: str) -> Provenance:
    """Read back what ``provenance_text`` wrote, or raise DamageError."""
    with _sound():
        return Provenance.from_dict(json.loads(text))


def operators_text(subject: Subject) -> str | None:
    """Write a network's operators, one a line; None for an operator."""
    return "\n".join(map(str, subject.operators)) if isinstance(subject, Network) else None


def read_subject(row: RowMapping) -> Subject:
    """Read a subject from a row of subjects, or raise DamageError."""
    with _sound():
        if row["operators"] is None:
            return parse_subject(row["text"])
        operators = tuple(map(Operator.parse, row["operators"].splitlines()))
        return Network(row["text"].removeprefix("network "), operators)


def window_values(window: Window) -> dict[str, object]:
    """Write a window as the columns of a row.

    Samples are kept in single precision, 0.06 millionths of their value: far finer than a clock.
    """
    return {
        "pass_index": window.pass_index,
        "samples_us": np.array(window.samples_us, "<f4").tobytes(),
        "preempted": window.preempted,
        "reference_us": float(window.reference_us),
        "started_at": window.started_at,
    }


def read_window(row: RowMapping) -> Window:
    """Read back what ``window_values`` wrote, or raise DamageError."""
    with _sound():
        return Window(
            pass_index=row["pass_index"],
            samples_us=tuple(np.frombuffer(row["samples_us"], "<f4").tolist()),
            preempted=row["preempted"],
            reference_us=row["reference_us"],
            started_at=row["started_at"],
        )


def quotation_values(quotation: Quotation) -> dict[str, object]:
    """Write a published latency as the columns of a row."""
    return {
        "latency_ms": quotation.median_ms,
        "deviation_ms": quotation.deviation_ms,
        "count": quotation.count,
    }


def read_quotation(row: RowMapping) -> Quotation:
    """Read back what ``quotation_values`` wrote, or raise DamageError."""
    with _sound():
        return Quotation(row["latency_ms"], row["deviation_ms"], row["count"])


def read_health(text: str) -> BatchHealth:
    """Read the health of a batch as ``BatchHealth.to_json`` wrote it, or raise DamageError."""
    with _sound():
        return BatchHealth.from_json(text)


def transfer_values(transfer: Transfer) -> dict[str, object]:
    """Write where estimates come from as the columns of a row."""
    known = json.dumps(transfer.known, ensure_ascii=False)
    offset_ms, deviation = transfer.offset_ms, transfer.deviation
    return {"known": known, "offset_ms": offset_ms, "deviation": deviation}


def read_transfer(row: RowMapping, estimates: Iterable[RowMapping]) -> Transfer:
    """Read back what ``transfer_values`` wrote, with the rows of its estimates, or DamageError."""
    with _sound():
        found = {read_subject(each): each["latency_ms"] for each in estimates}
        known = map(str, json.loads(row["known"]))
        return Transfer.of(known, row["offset_ms"], row["deviation"], found)


@contextmanager
def _sound() -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, AttributeError) as error:
        raise DamageError(str(error)) from error
