"""SQLite: a store in one file, for the processes of one host."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles

from ..errors import StoreBusyError, StoreError
from . import backend
from .backend import DAMAGED, POOL, WRITING, Trouble
from .clock import Now

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Engine
    from sqlalchemy.engine import URL
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

_PAUSE_S = 0.01  # between two attempts at what SQLite does not wait for itself

_TROUBLES = {
    "file is not a database": "is not a store of Sartor; name another file",
    "malformed": DAMAGED,
    "readonly": "may not be written to; change its permissions, or name another store",
    "unable to open": "cannot be opened; check that it is a file in a folder you may write to",
    "disk is full": "does not fit on its disk; free some space and go on: nothing was lost",
    "disk i/o error": (
        "cannot be written; check that its disk has space and is sound, then go on: "
        "what was committed before is kept"
    ),
}
"""What SQLite says, and what that means to the user."""


class SQLite:
    """Readers see the state in which they began; writers take turns by ``BEGIN IMMEDIATE``."""

    another: ClassVar[str] = "another file"
    errors: ClassVar[tuple[type[Exception], ...]] = (DBAPIError, sqlite3.Error)
    reading: ClassVar[Mapping[str, Any]] = {}
    writing: ClassVar[Mapping[str, Any]] = {WRITING: True}

    def make_engine(self, url: URL) -> Engine:
        """Make the folder of the file, where there is none."""
        if url.database and not url.database.startswith((":", "file:")):
            try:
                Path(url.database).parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreError(
                    f"{url.database} cannot be made ({error.strerror}); "
                    "choose a folder that you may write to"
                ) from error
        engine = create_engine(url, **POOL)
        event.listen(engine, "connect", _configure)
        event.listen(engine, "begin", _begin)
        return engine

    def explain(self, error: Exception) -> Trouble:
        """Tell what an error means, by its text: SQLite has codes, but not from every Python."""
        message = str(error.orig if isinstance(error, DBAPIError) else error)
        if "locked" in message:
            return Trouble(
                f"has been locked for {backend.LOCK_TIMEOUT_S:.0f} s; "
                "wait for, or end, the other program that writes to it",
                StoreBusyError,
            )
        for cause, explanation in _TROUBLES.items():
            if cause in message.lower():
                return Trouble(explanation)
        return Trouble(f"cannot be used ({message}); name another store")


@compiles(Now, "sqlite")
def _now(*_: object, **__: object) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"  # the Julian day on which Unix began


def _configure(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    """Set up a connection to SQLite.

    In write-ahead mode with normal synchronisation a killed process loses nothing that was
    committed; a power cut may lose the last seconds, and never the consistency.
    """
    connection.isolation_level = None  # transactions begin where we say so, see _begin
    for pragma in (
        f"busy_timeout = {backend.LOCK_TIMEOUT_S * 1000:.0f}",
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
    deadline = time.monotonic() + backend.LOCK_TIMEOUT_S
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
    writes = connection.get_execution_options().get(WRITING)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
