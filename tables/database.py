"""The database under a store: opening it, and saying plainly what is wrong with it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect, make_url, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError

from .errors import StoreBusyError, StoreError, StoreVersionError
from .migration import migrate
from .schema import META, METADATA, SCHEMA_VERSION

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

_LOCK_TIMEOUT_S = 30.0
_PAUSE_S = 0.01  # between two attempts at what SQLite does not wait for itself

_DAMAGED = "is damaged; restore it from a copy, or move it away and measure again"

_CAUSES = {
    "file is not a database": "is not a store of Sartor; name another file",
    "malformed": _DAMAGED,
    "readonly": "may not be written to; change its permissions, or name another store",
    "unable to open": "cannot be opened; check that it is a file in a folder you may write to",
    "disk is full": "does not fit on its disk; free some space and go on: nothing was lost",
    "disk i/o error": (
        "cannot be written; check that its disk has space and is sound, then go on: "
        "what was committed before is kept"
    ),
}
"""What SQLite says, and what that means to the user."""


class DamageError(Exception):
    """A row holds what no Sartor wrote; ``explained`` turns it into a StoreError."""


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Turn the database's own errors into a StoreError of one sentence about the store."""
    try:
        yield
    except DamageError as error:
        raise StoreError(f"{where} {_DAMAGED} ({error})") from error
    except (DBAPIError, sqlite3.Error) as error:
        message = str(error.orig if isinstance(error, DBAPIError) else error)
        if "locked" in message:
            raise StoreBusyError(
                f"{where} has been locked for {_LOCK_TIMEOUT_S:.0f} s; "
                "wait for, or end, the other program that writes to it"
            ) from error
        for cause, explanation in _CAUSES.items():
            if cause in message.lower():
                raise StoreError(f"{where} {explanation}") from error
        raise StoreError(f"{where} cannot be used ({message}); name another store") from error


def connect(path_or_url: str | Path) -> Engine:
    """Open a database, make it a store if it is empty, and check that it is one we can read.

    A store of an older schema is migrated.

    Args:
        path_or_url: a file, made where there is none, or a URL as SQLAlchemy reads them.

    Raises:
        StoreError: it cannot be opened or is no store.
        StoreVersionError: a newer Sartor wrote it.
    """
    where = str(path_or_url)
    engine = _engine(path_or_url)
    try:
        with explained(where):
            _prepare(engine, where)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _engine(path_or_url: str | Path) -> Engine:
    where = str(path_or_url)
    if not where:  # SQLite would take it for a database that is gone when it is closed
        raise StoreError("a store has to have a name; name a file")
    try:
        if "://" in where:
            url = make_url(where)
        else:
            Path(where).parent.mkdir(parents=True, exist_ok=True)
            url = URL.create("sqlite", database=where)
        engine = create_engine(url)
    except OSError as error:
        raise StoreError(
            f"{where} cannot be made ({error.strerror}); choose a folder that you may write to"
        ) from error
    except (ArgumentError, ImportError) as error:
        raise StoreError(f"{where} names no database that can be used here: {error}") from error
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _configure)
        event.listen(engine, "begin", _begin)
    return engine


def _configure(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    """Set up a connection to SQLite.

    In write-ahead mode with normal synchronisation a killed process loses nothing that was
    committed; a power cut may lose the last seconds, and never the consistency.
    """
    connection.isolation_level = None  # transactions begin where we say so, see _begin
    for pragma in (
        f"busy_timeout = {_LOCK_TIMEOUT_S * 1000:.0f}",
        "foreign_keys = ON",
        "synchronous = NORMAL",
    ):
        connection.execute(f"PRAGMA {pragma}").close()
    _write_ahead(connection)


def _write_ahead(connection: DBAPIConnection) -> None:
    """Switch to write-ahead mode, waiting for others that do the same.

    SQLite does not wait here whatever the time limit: of two connections that have read a new
    database and now both want to change its mode, one has to let go (a deadlock otherwise).
    """
    deadline = time.monotonic() + _LOCK_TIMEOUT_S
    while not _switches(connection, patient=time.monotonic() < deadline):
        time.sleep(_PAUSE_S)


def _switches(connection: DBAPIConnection, *, patient: bool) -> bool:
    try:
        connection.execute("PRAGMA journal_mode = WAL").close()
    except sqlite3.OperationalError as error:
        if patient and "locked" in str(error):
            return False
        raise
    return True


def _begin(connection: Connection) -> None:
    """Begin with the write lock where asked for: one taken later cannot be waited for."""
    connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('begin', '')}")


def _prepare(engine: Engine, where: str) -> None:
    """Make the schema in an empty database; check the version of any other, and migrate it."""
    with engine.begin() as connection:
        names = inspect(connection).get_table_names()
    if not names:
        _make_schema(engine)
    elif META.name not in names:
        raise StoreError(f"{where} is a database of another program; name another file")
    with engine.begin() as connection:
        version = connection.execute(select(META.c.schema_version)).scalar()
    if not isinstance(version, int) or version < 1:
        raise DamageError("it has no schema version")
    if version > SCHEMA_VERSION:
        raise StoreVersionError(
            f"{where} was written by a newer Sartor (schema {version}, this one reads "
            f"{SCHEMA_VERSION}); update Sartor, or name another store"
        )
    for older in range(version, SCHEMA_VERSION):
        with engine.execution_options(begin="IMMEDIATE").begin() as connection:
            migrate(connection, older)


def _make_schema(engine: Engine) -> None:
    """Make all tables, or none: another process may be doing the same."""
    with engine.execution_options(begin="IMMEDIATE").begin() as connection:
        METADATA.create_all(connection)
        if connection.execute(select(META)).first() is None:
            connection.execute(insert(META).values(schema_version=SCHEMA_VERSION))
