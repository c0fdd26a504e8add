"""Places for a store: what a test needs to look behind it, on every kind of database."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ..server import Server


@dataclass(frozen=True)
class Place:
    """Where there is no store yet.

    Attributes:
        address: for ``Store.open``.
        kind: of the database.
        execute: runs statements on it, past the store, and returns the rows of the last.
    """

    address: str
    kind: str
    execute: Callable[[str], list[tuple[object, ...]]]


def in_a_file(path: Path) -> Place:
    """Return a place in a new folder."""

    def execute(statements: str) -> list[tuple[object, ...]]:
        path.parent.mkdir(exist_ok=True)
        rows: list[tuple[object, ...]] = []
        with closing(sqlite3.connect(path)) as connection, connection:
            for statement in statements.split(";"):
                rows = connection.execute(statement).fetchall()
        return rows

    return Place(str(path), "sqlite", execute)


def on(server: Server) -> Place:
    """Return a place on a server."""
    return Place(server.url(), "postgresql", server.execute)
