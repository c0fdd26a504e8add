"""What the store asks its database: one function a question, inside a transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Select, Table, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from .errors import FormatError, StoreError, UnknownNameError
from .estimate import Transfer
from .health import BatchHealth
from .measurement import Measurement, Window
from .provenance import Provenance
from .quotation import Quotation
from .rows import (
    operators_text,
    provenance_text,
    quotation_values,
    read_health,
    read_provenance,
    read_quotation,
    read_subject,
    read_transfer,
    read_window,
    transfer_values,
    window_values,
)
from .schema import ESTIMATES, HEALTH, LATENCY_TABLES, QUOTATIONS, SUBJECTS, TRANSFERS, WINDOWS
from .subject import Subject
from .table import LatencyTable, TableSummary

_AT_ONCE = 64
"""Rows of a large answer that are in memory at once."""


def table_names(connection: Connection) -> list[str]:
    """Return the names of all tables, sorted."""
    return sorted(connection.execute(select(LATENCY_TABLES.c.name)).scalars())


def table_id(connection: Connection, name: str) -> int:
    """Look up a table by name, or raise UnknownNameError."""
    query = select(LATENCY_TABLES.c.id).where(LATENCY_TABLES.c.name == name)
    if (found := connection.execute(query).scalar()) is None:
        raise UnknownNameError(
            "table", name, table_names(connection), "sartor profile measures new ones"
        )
    return int(found)


def provenance_of(connection: Connection, table: int) -> Provenance:
    """Read the circumstances of a table."""
    query = select(LATENCY_TABLES.c.provenance).where(LATENCY_TABLES.c.id == table)
    return read_provenance(connection.execute(query).scalar_one())


def insert_table(connection: Connection, name: str, provenance: Provenance) -> int:
    """Make an empty table; FormatError if people could not type its name."""
    if not name.strip() or not name.isprintable():
        raise FormatError(f"{name!r} is no name for a table; use letters, digits and dashes")
    values = {"name": name, "provenance": provenance_text(provenance)}
    return _insert(connection, LATENCY_TABLES, values)


def delete_table(connection: Connection, table: int) -> None:
    """Forget a table and all that refers to it."""
    connection.execute(delete(LATENCY_TABLES).where(LATENCY_TABLES.c.id == table))


def insert_content(connection: Connection, table: int, content: LatencyTable) -> None:
    """Fill an empty table, in few statements: a server may be far away, and others wait.

    Raises:
        StoreError: two networks share a name.
    """
    subjects = dict.fromkeys((*content.windows, *content.quotations, *content.failures))
    texts: dict[str, Subject] = {}
    for subject in subjects:
        if texts.setdefault(str(subject), subject) != subject:
            raise _name_taken(subject)
    _insert_all(
        connection,
        SUBJECTS,
        [
            {
                "table_id": table,
                "text": str(subject),
                "operators": operators_text(subject),
                "failure": content.failures.get(subject),
            }
            for subject in subjects
        ],
    )
    if content.transfer is not None:
        replace_transfer(connection, table, content.transfer)
    ids = _subject_ids(connection, table)
    _insert_all(
        connection,
        WINDOWS,
        [
            {"subject_id": ids[str(subject)]} | window_values(window)
            for subject, windows in content.windows.items()
            for window in windows
        ],
    )
    _insert_all(
        connection,
        QUOTATIONS,
        [
            {"subject_id": ids[str(subject)]} | quotation_values(quotation)
            for subject, quotation in content.quotations.items()
        ],
    )
    insert_health(connection, table, content.health)


def insert_window(connection: Connection, table: int, subject: Subject, window: Window) -> None:
    """Keep a window of a subject, and forget that measuring it failed before.

    Raises:
        StoreError: that pass over the subject is there already.
    """
    insert_windows(connection, table, {subject: window})


def insert_windows(connection: Connection, table: int, found: Mapping[Subject, Window]) -> None:
    """Keep a window of each of some subjects, in few statements, however many there are.

    Raises:
        StoreError: one of them is there already.
    """
    ids = _subjects(connection, table, list(found))
    rows = [{"subject_id": ids[each]} | window_values(window) for each, window in found.items()]
    try:
        _insert_all(connection, WINDOWS, rows)
    except IntegrityError as error:
        raise StoreError(
            f"{_listed(found)} in the table already; measure only what is not yet done"
        ) from error


def _listed(found: Mapping[Subject, Window]) -> str:
    passes = [f"pass {window.pass_index} of {subject}" for subject, window in found.items()]
    return (
        f"{passes[0]} is" if len(passes) == 1 else f"one of {len(passes)} windows, {passes[0]}, is"
    )


def insert_health(connection: Connection, table: int, found: Sequence[BatchHealth]) -> None:
    """Keep how the device was during batches."""
    rows = [{"table_id": table, "content": health.to_json()} for health in found]
    _insert_all(connection, HEALTH, rows)


def set_failure(connection: Connection, table: int, subject: Subject, reason: str) -> None:
    """Keep why the latest attempt to measure a subject failed."""
    subject_id = _subjects(connection, table, [subject])[subject]
    query = update(SUBJECTS).where(SUBJECTS.c.id == subject_id)
    connection.execute(query.values(failure=reason))


def replace_transfer(connection: Connection, table: int, transfer: Transfer) -> None:
    """Keep the estimates of a table in place of those that were there."""
    ids = _subject_ids(connection, table)
    connection.execute(delete(TRANSFERS).where(TRANSFERS.c.table_id == table))
    connection.execute(delete(ESTIMATES).where(ESTIMATES.c.subject_id.in_(_of_table(table))))
    connection.execute(insert(TRANSFERS).values({"table_id": table} | transfer_values(transfer)))
    latencies_ms = transfer.latencies_ms
    _insert_all(
        connection,
        SUBJECTS,
        [
            {"table_id": table, "text": str(subject), "operators": operators_text(subject)}
            for subject in latencies_ms
            if str(subject) not in ids
        ],
    )
    ids = _subject_ids(connection, table)
    _insert_all(
        connection,
        ESTIMATES,
        [
            {"subject_id": ids[str(subject)], "latency_ms": latency_ms}
            for subject, latency_ms in latencies_ms.items()
        ],
    )


def measured_operators(connection: Connection, table: int) -> int:
    """Count the operators, and parts of their measurement, that have windows."""
    query = select(func.count(func.distinct(WINDOWS.c.subject_id))).join_from(SUBJECTS, WINDOWS)
    query = query.where(SUBJECTS.c.table_id == table, SUBJECTS.c.operators.is_(None))
    return int(connection.execute(query).scalar_one())


def passes_done(connection: Connection, table: int) -> set[tuple[str, int]]:
    """Return (text of the subject, pass) of every window in a table."""
    query = select(SUBJECTS.c.text, WINDOWS.c.pass_index).join_from(SUBJECTS, WINDOWS)
    rows = connection.execute(query.where(SUBJECTS.c.table_id == table))
    return {(row.text, row.pass_index) for row in rows}


def relative_errors(connection: Connection, table: int) -> dict[str, float]:
    """Return how well each subject of a table is known, by its text."""
    rows = connection.execute(
        select(SUBJECTS.c.text, WINDOWS)
        .join_from(SUBJECTS, WINDOWS)
        .where(SUBJECTS.c.table_id == table)
        .order_by(WINDOWS.c.subject_id, WINDOWS.c.pass_index)
        .execution_options(stream_results=True, yield_per=_AT_ONCE)
    )
    # The level that a table corrects to cancels out of a relative error, so that any will do.
    return {
        text: Measurement(tuple(map(read_window, windows)), 1.0).relative_error
        for text, windows in groupby(rows.mappings(), key=lambda row: str(row["text"]))
    }


def read_table(connection: Connection, name: str) -> LatencyTable:
    """Read a whole table, all samples included."""
    table = table_id(connection, name)
    in_table = SUBJECTS.c.table_id == table
    subject_rows = connection.execute(select(SUBJECTS).where(in_table).order_by(SUBJECTS.c.id))
    window_rows = connection.execute(
        select(WINDOWS)
        .join_from(WINDOWS, SUBJECTS)
        .where(in_table)
        .order_by(WINDOWS.c.subject_id, WINDOWS.c.pass_index)
    )
    subjects: dict[int, Subject] = {}
    failures: dict[Subject, str] = {}
    for row in subject_rows.mappings():
        subject = subjects[row["id"]] = read_subject(row)
        if row["failure"] is not None:
            failures[subject] = row["failure"]
    windows: defaultdict[Subject, list[Window]] = defaultdict(list)
    for row in window_rows.mappings():
        windows[subjects[row["subject_id"]]].append(read_window(row))
    quotations = read_quotations(connection, table)
    provenance, transfer = provenance_of(connection, table), read_estimates(connection, table)
    health = _read_health(connection, table)
    return LatencyTable.from_windows(
        name, provenance, windows, failures, quotations, health, transfer
    )


def _read_health(connection: Connection, table: int) -> tuple[BatchHealth, ...]:
    query = select(HEALTH.c.content).where(HEALTH.c.table_id == table).order_by(HEALTH.c.id)
    return tuple(map(read_health, connection.execute(query).scalars()))


def read_estimates(connection: Connection, table: int) -> Transfer | None:
    """Read the estimates of a table and where they come from; None where it has none."""
    query = select(TRANSFERS).where(TRANSFERS.c.table_id == table)
    if (row := connection.execute(query).mappings().one_or_none()) is None:
        return None
    estimates = connection.execute(
        select(SUBJECTS, ESTIMATES)
        .join_from(SUBJECTS, ESTIMATES)
        .where(SUBJECTS.c.table_id == table)
        .order_by(SUBJECTS.c.id)
    )
    return read_transfer(row, estimates.mappings())


def read_quotations(connection: Connection, table: int) -> dict[Subject, Quotation]:
    """Read the published latencies of a table, in the order in which they were kept."""
    rows = connection.execute(
        select(SUBJECTS, QUOTATIONS)
        .join_from(SUBJECTS, QUOTATIONS)
        .where(SUBJECTS.c.table_id == table)
        .order_by(SUBJECTS.c.id)
    )
    return {read_subject(row): read_quotation(row) for row in rows.mappings()}


def summarise(connection: Connection, name: str) -> TableSummary:
    """Count what is in a table, without reading a sample."""
    table = table_id(connection, name)
    windows = func.count(WINDOWS.c.subject_id).label("windows")
    published = func.count(QUOTATIONS.c.subject_id).label("published")
    estimated = func.count(ESTIMATES.c.subject_id).label("estimated")
    about = SUBJECTS.c.text, SUBJECTS.c.operators, SUBJECTS.c.failure
    rows = connection.execute(
        select(*about, windows, published, estimated)
        .join_from(SUBJECTS, WINDOWS, isouter=True)
        .join(QUOTATIONS, SUBJECTS.c.id == QUOTATIONS.c.subject_id, isouter=True)
        .join(ESTIMATES, SUBJECTS.c.id == ESTIMATES.c.subject_id, isouter=True)
        .where(SUBJECTS.c.table_id == table)
        .group_by(SUBJECTS.c.id)
    ).all()
    known = [row for row in rows if row.windows or row.published or row.estimated]
    networks = sum(row.operators is not None for row in known)
    helpers = sum(row.text.split()[0] in ("call", "frame") for row in known)
    return TableSummary(
        name=name,
        provenance=provenance_of(connection, table),
        operators=len(known) - networks - helpers,
        networks=networks,
        failures=sum(row.failure is not None for row in rows),
        windows=sum(row.windows for row in rows),
        quotations=sum(row.published > 0 for row in rows),
        estimates=sum(row.estimated > 0 and row.operators is None for row in rows),
    )


def _of_table(table: int) -> Select[tuple[int]]:
    return select(SUBJECTS.c.id).where(SUBJECTS.c.table_id == table)


def _subject_ids(connection: Connection, table: int) -> dict[str, int]:
    """Return the id of every subject of a table by its text."""
    query = select(SUBJECTS.c.text, SUBJECTS.c.id).where(SUBJECTS.c.table_id == table)
    return {row.text: row.id for row in connection.execute(query)}


def _subjects(
    connection: Connection, table: int, subjects: Sequence[Subject]
) -> dict[Subject, int]:
    """Return the ids of subjects, made where there are none; forget that measuring them failed.

    Raises:
        StoreError: the table knows a network of that name with other operators.
    """
    texts = {str(subject): subject for subject in subjects}
    about = SUBJECTS.c.id, SUBJECTS.c.text, SUBJECTS.c.operators, SUBJECTS.c.failure
    query = select(*about).where(SUBJECTS.c.table_id == table, SUBJECTS.c.text.in_(texts))
    there = {row.text: row for row in connection.execute(query)}
    for text, row in there.items():
        if row.operators != operators_text(texts[text]):
            raise _name_taken(texts[text])
    if failed := [row.id for row in there.values() if row.failure is not None]:
        forget = update(SUBJECTS).where(SUBJECTS.c.id.in_(failed)).values(failure=None)
        connection.execute(forget)
    _insert_all(
        connection,
        SUBJECTS,
        [
            {"table_id": table, "text": text, "operators": operators_text(subject)}
            for text, subject in texts.items()
            if text not in there
        ],
    )
    if len(there) < len(texts):
        there = {row.text: row for row in connection.execute(query)}
    return {subject: int(there[text].id) for text, subject in texts.items()}


def _name_taken(subject: Subject) -> StoreError:
    return StoreError(
        f"the table knows {subject} with other operators; give the new network another name"
    )


def _insert(connection: Connection, table: Table, values: Mapping[str, object]) -> int:
    """Insert a row, and return the id that it got."""
    key: Any = connection.execute(insert(table).values(values)).inserted_primary_key
    return int(key[0])


def _insert_all(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    if rows:  # SQLAlchemy takes none for one of defaults
        connection.execute(insert(table), rows)
