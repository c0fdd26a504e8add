"""The database under a store: opening it, its transactions, and saying plainly what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

from sqlalchemy import Connection, Engine, insert, inspect, select

from .address import Address
from .backends import Backend, backend
from .backends.backend import DAMAGED, MOST_READERS
from .errors import StoreBusyError, StoreError, StoreVersionError
from .migration import migrate
from .schema import META, METADATA, SCHEMA_VERSION
from .turn import Turn


class DamageError(Exception):
    """A row holds what no Sartor wrote; ``explained`` turns it into a StoreError."""


@dataclass(frozen=True, slots=True)
class Database:
    """An open database of one kind or the other, for any number of threads.

    Attributes:
        engine: its connections.
        backend: its kind.
        where: what to call it in messages; holds no password.
    """

    engine: Engine
    backend: Backend
    where: str
    _turn: Turn = field(default_factory=Turn, repr=False)
    _readers: BoundedSemaphore = field(
        default_factory=lambda: BoundedSemaphore(MOST_READERS), repr=False
    )

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a transaction that sees one state of the store, whatever others write meanwhile."""
        with self._readers, self._transaction(self.backend.reading) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Yield a transaction that is alone in writing, and makes all of its changes or none.

        Raises:
            StoreBusyError: others have been writing for too long, here or in other processes.
        """
        with self._our_turn(), self._transaction(self.backend.writing) as connection:
            yield connection

    def close(self) -> None:
        """Let all connections go."""
        self.engine.dispose()

    @contextmanager
    def _our_turn(self) -> Iterator[None]:
        """Have the turn to write within this process: the database knows no queue."""
        with ExitStack() as stack:
            try:
                stack.enter_context(self._turn.taken(backend.LOCK_TIMEOUT_S))
            except TimeoutError as error:
                raise StoreBusyError(
                    f"{self.where} has not come to a call of ours for "
                    f"{backend.LOCK_TIMEOUT_S:.0f} s, so many others wait there; end what else "
                    "uses it, then go on: nothing was lost"
                ) from error
            yield

    @contextmanager
    def _transaction(self, options: Any) -> Iterator[Connection]:  # noqa: ANN401
        with self.explained(), self.engine.execution_options(**options).begin() as connection:
            yield connection

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn the database's own errors into a StoreError of one sentence about the store."""
        try:
            yield
        except DamageError as error:
            raise StoreError(f"{self.where} {DAMAGED} ({error})") from error
        except (UnicodeEncodeError, OverflowError) as error:
            raise StoreError(
                f"{self.where} cannot hold a value ({error}); nothing of it was kept"
            ) from error
        except self.backend.errors as error:
            trouble = self.backend.explain(error)
            raise trouble.kind(f"{self.where} {trouble.explanation}") from error


def connect(path_or_url: str | Path) -> Database:
    """Open a database, make it a store if it is empty, and check that it is one we can read.

    A store of an older schema is migrated.

    Args:
        path_or_url: a file, made where there is none, or a URL of a database that is there.

    Raises:
        StoreError: it cannot be opened or is no store.
        StoreVersionError: a newer Sartor wrote it.
        RuntimeMissingError: a package that speaks with its server is not installed.
    """
    address = Address.parse(path_or_url)
    engine = address.backend.make_engine(address.url)
    database = Database(engine, address.backend, address.shown)
    try:
        with database.explained():
            _prepare(database)
    except BaseException:
        database.close()
        raise
    return database


def _prepare(database: Database) -> None:
    """Make the schema in an empty database; check the version of any other, and migrate it."""
    with database.reading() as connection:
        names = inspect(connection).get_table_names()
    if not names:
        _make_schema(database)
    elif META.name not in names:
        raise StoreError(
            f"{database.where} is a database of another program; name {database.backend.another}"
        )
    with database.reading() as connection:
        version = connection.execute(select(META.c.schema_version)).scalar()
    if not isinstance(version, int) or version < 1:
        raise DamageError("it has no schema version")
    if version > SCHEMA_VERSION:
        raise StoreVersionError(
            f"{database.where} was written by a newer Sartor (schema {version}, this one reads "
            f"{SCHEMA_VERSION}); update Sartor, or name another store"
        )
    for older in range(version, SCHEMA_VERSION):
        with database.writing() as connection:
            migrate(connection, older)


def _make_schema(database: Database) -> None:
    """Make all tables, or none: another process may be doing the same."""
    with database.writing() as connection:
        METADATA.create_all(connection)
        if connection.execute(select(META)).first() is None:
            connection.execute(insert(META).values(schema_version=SCHEMA_VERSION))
