"""PostgreSQL: a store on a server, for the hosts of a lab."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles

from ..errors import RuntimeMissingError, StoreBusyError
from . import backend
from .backend import DAMAGED, POOL, WRITING, Trouble
from .clock import Now

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Engine
    from sqlalchemy.engine import URL

DRIVER = "postgresql+psycopg"

SILENT_WRITER_S = 20.0
"""A writer that says nothing for so long loses its turn: its host may have lost power.

Less than others wait for it, and ages more than a transaction takes.
"""

_TURN = int.from_bytes(b"sartor", "big")
"""Of the server's advisory locks in a database, the one whose holder may write to the store."""

_CONNECTION = {
    "application_name": "sartor",
    "client_encoding": "utf8",
    "connect_timeout": "10",  # seconds
    # A server that is gone is noticed within half a minute, rather than in two hours.
    "keepalives_idle": "10",  # seconds
    "keepalives_interval": "5",  # seconds
    "keepalives_count": "4",
    "tcp_user_timeout": "30000",  # milliseconds
}
"""Parameters of libpq that hold where the URL says nothing else."""

_LOST = (
    "lost the connection to its server ({message}); "
    "what was committed before is kept, so run the same again to go on"
)
_REFUSED = (
    "does not let you in ({message}); check the user and the password, "
    "which PGPASSWORD or ~/.pgpass can give, too"
)
_FULL = "takes no more connections ({message}); end other programs that use it, then go on"
_WAIT = "is starting, stopping or recovering ({message}); try again in a moment"
_FORBIDDEN = "does not permit that ({message}); ask its administrator, or name another store"
_UNFIT = "cannot hold a value ({message}); nothing of it was kept"

_BY_STATE = {
    "08": _LOST,  # connection exceptions
    "22": _UNFIT,  # data exceptions
    "22P05": "has an encoding without all characters ({message}); make it anew in UTF8",
    "25006": "may not be written to ({message}); ask its administrator, or name another store",
    "25P03": _LOST,  # idle in a transaction
    "3F000": _FORBIDDEN,  # no schema that the user may make tables in
    "42501": _FORBIDDEN,
    "53100": "does not fit on its disk; free some space and go on: nothing was lost",
    "53300": _FULL,
    "54": _UNFIT,  # program limits
    "57P01": _LOST,  # ended by an administrator
    "57P02": _LOST,  # another process of the server crashed
    "57P03": _WAIT,
    "57P05": _LOST,  # idle
    "58030": "cannot be read or written on its disk ({message}); have its server looked after",
    "XX001": DAMAGED,
    "XX002": DAMAGED,
}
"""By SQLSTATE or its class: what an answer of the server means to the user.

Source: PostgreSQL 15, appendix A (error codes).
"""

_BY_TEXT = {
    "too many": _FULL,
    "connection slots": _FULL,
    "password authentication failed": _REFUSED,
    "no password supplied": _REFUSED,
    "role ": _REFUSED,  # does not exist, or may not log in
    "pg_hba.conf": _REFUSED,
    "permission denied for database": _FORBIDDEN,
    "starting up": _WAIT,
    "shutting down": _WAIT,
    "recovery": _WAIT,
    "does not exist": (
        "is no database of that server ({message}); make it with createdb, or name another"
    ),
}
"""What a server says when it refuses a connection, where there is no SQLSTATE to go by."""


class PostgreSQL:
    """Readers see the state in which they began; writers take turns by an advisory lock.

    The lock is what ``BEGIN IMMEDIATE`` is to SQLite, so a call means the same on both. Rows
    locked by ``FOR UPDATE`` would let two tables be filled at once, but leave nothing to lock
    while the store is made; serializable transactions would have to be tried again, each call
    differently. The price is that windows of all tables are kept one after another, a few round
    trips each.
    """

    another: ClassVar[str] = "another database"
    errors: ClassVar[tuple[type[Exception], ...]] = (DBAPIError,)
    # Not declared read-only: its reset would overrule who made users read-only by default.
    reading: ClassVar[Mapping[str, Any]] = {"isolation_level": "REPEATABLE READ"}
    # Any stricter isolation would show the writer the state from before it had waited its turn.
    writing: ClassVar[Mapping[str, Any]] = {WRITING: True, "isolation_level": "READ COMMITTED"}

    def make_engine(self, url: URL) -> Engine:
        """Prepare to connect by psycopg; a connection that died between two calls is replaced."""
        url = url.set(drivername=DRIVER, query={**_CONNECTION, **url.query})
        try:
            engine = create_engine(url, pool_pre_ping=True, **POOL)
        except ImportError as error:
            raise RuntimeMissingError(
                "psycopg speaks with PostgreSQL and is not installed; "
                "install it with: pip install 'sartor[postgres]'"
            ) from error
        event.listen(engine, "begin", _begin)
        return engine

    def explain(self, error: Exception) -> Trouble:
        """Tell what an error means: by the server's code, or the text where it gave none."""
        orig = error.orig if isinstance(error, DBAPIError) else error
        state: str = getattr(orig, "sqlstate", None) or ""
        diagnosis = getattr(orig, "diag", None)
        message = getattr(diagnosis, "message_primary", None) or _reason(str(orig))
        if state == "55P03":  # lock not available
            return Trouble(
                f"has been locked for {backend.LOCK_TIMEOUT_S:.0f} s; "
                "wait for, or end, the other program that writes to it",
                StoreBusyError,
            )
        explanation = _BY_STATE.get(state) or _BY_STATE.get(state[:2])
        if explanation is None and not state:
            explanation = _without_state(error, message)
        if explanation is None:
            explanation = "cannot be used ({message}); name another store"
        return Trouble(explanation.replace("{message}", message))


def _without_state(error: Exception, message: str) -> str | None:
    """Tell what an error of psycopg itself means, or of a server before the connection stood."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return _LOST
    if "NUL" in message:
        return _UNFIT
    for cause, explanation in _BY_TEXT.items():
        if cause in message:
            return explanation
    if isinstance(error, DBAPIError) and error.statement is None:
        return "cannot be reached ({message}); check the address, and that its server runs"
    return None


def _reason(text: str) -> str:
    """Return the reason in what libpq says: the server's, or else the first line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["no reason given"]
    for line in lines:
        if "FATAL:" in line:
            return line.rpartition("FATAL:")[2].strip()
    return re.sub("^connection (failed|is bad): ", "", lines[0])


@compiles(Now, "postgresql")
def _now(*_: object, **__: object) -> str:
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS FLOAT)"


def _begin(connection: Connection) -> None:
    """Wait for the turn to write where asked for; it ends with the transaction."""
    if connection.get_execution_options().get(WRITING):
        connection.exec_driver_sql(
            f"SELECT set_config('lock_timeout', '{backend.LOCK_TIMEOUT_S * 1000:.0f}', true), "
            "set_config('idle_in_transaction_session_timeout', "
            f"'{SILENT_WRITER_S * 1000:.0f}', true), "
            f"pg_advisory_xact_lock({_TURN})"
        )
