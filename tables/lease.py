"""Leases: one collector at a time fills a table."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from .backends import Now
from .errors import StoreBusyError
from .owner import SILENCE_S, Owner
from .schema import LEASES

HEARTBEAT_S = 10.0
"""How often the holder of a lease shows that it lives."""


def check_free(connection: Connection, table_id: int, table: str) -> None:
    """Raise StoreBusyError if a living process holds the lease of a table.

    Args:
        connection: inside a transaction.
        table_id: of the table.
        table: what to call it in the message.
    """
    silent_s = (Now() - LEASES.c.heartbeat_at).label("silent_s")
    query = select(LEASES, silent_s).where(LEASES.c.table_id == table_id)
    if (row := connection.execute(query).one_or_none()) is None:
        return
    owner = Owner(row.place, row.pid, row.started)
    if owner.alive(row.silent_s):
        raise StoreBusyError(
            f"{table} is being filled by process {owner.pid} on {owner.host}; wait for it or end "
            f"it (a lease from another machine ends after {SILENCE_S:.0f} s of silence)"
        )


def correct(connection: Connection, table_id: int) -> None:
    """Count a heartbeat that is still to come, by a clock that was set back since, as one of now.

    Else a dead owner would seem to live until the clock gets there. Needs a transaction of its own:
    what judges the owner afterwards may raise, which undoes what is done in the same one.
    """
    ahead = (LEASES.c.table_id == table_id, LEASES.c.heartbeat_at > Now())
    connection.execute(update(LEASES).where(*ahead).values(heartbeat_at=Now()))


def take(connection: Connection, table_id: int, table: str, owner: Owner) -> None:
    """Take the lease of a table, from a dead owner too; StoreBusyError if a living one has it."""
    check_free(connection, table_id, table)
    connection.execute(delete(LEASES).where(LEASES.c.table_id == table_id))
    connection.execute(
        insert(LEASES).values(
            table_id=table_id,
            place=owner.place,
            pid=owner.pid,
            started=owner.started,
            heartbeat_at=Now(),
        )
    )


def beat(connection: Connection, table_id: int, owner: Owner) -> None:
    """Show that the owner lives, if the lease is still theirs."""
    held = _held_by(table_id, owner)
    connection.execute(update(LEASES).where(*held).values(heartbeat_at=Now()))


def release(connection: Connection, table_id: int, owner: Owner) -> None:
    """Give the lease back, if it is still the owner's."""
    connection.execute(delete(LEASES).where(*_held_by(table_id, owner)))


def _held_by(table_id: int, owner: Owner) -> tuple[ColumnElement[bool], ...]:
    return (
        LEASES.c.table_id == table_id,
        LEASES.c.place == owner.place,
        LEASES.c.pid == owner.pid,
        LEASES.c.started == owner.started,
    )
