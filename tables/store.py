"""The store: every measured window, kept the moment it is measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from . import lease, queries
from .database import Database, connect
from .errors import StoreError
from .estimate import Transfer
from .health import BatchHealth
from .lease import Claim
from .leases import Leases
from .measurement import Window
from .provenance import Provenance
from .quotation import Quotation
from .subject import Subject
from .table import LatencyTable, TableSummary

if TYPE_CHECKING:
    from sqlalchemy import Connection


class Store:
    """Latency tables by name, in one SQLite file, or on a PostgreSQL server for several hosts.

    Every call is one transaction. Whatever ``add_window`` has returned from survives the death of
    the process, and a pass over a subject is there once or not at all: so the store is also the
    journal by which an interrupted collection goes on.

    Raises (every method):
        StoreError: the database cannot be used; one sentence says why and what to do.
        UnknownNameError: there is no table of that name.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._leases = Leases(database)

    @classmethod
    def open(cls, path_or_url: str | Path) -> Store:
        """Open a store, made where there is none.

        Args:
            path_or_url: a file, or postgresql+psycopg://USER@HOST/DATABASE.

        Raises:
            StoreVersionError: a newer Sartor wrote it.
            RuntimeMissingError: psycopg, which speaks with PostgreSQL, is not installed.
        """
        return cls(connect(path_or_url))

    @property
    def where(self) -> str:
        """What to call the store: its file, or its URL without the password."""
        return self._database.where

    def close(self) -> None:
        """Close the database; the store is of no use afterwards."""
        self._database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def tables(self) -> list[TableSummary]:
        """List what is there, by name."""
        with self._database.reading() as connection:
            names = queries.table_names(connection)
            return [queries.summarise(connection, name) for name in names]

    def find(self, name: str) -> TableSummary:
        """Summarise one table."""
        with self._database.reading() as connection:
            return queries.summarise(connection, name)

    def load(self, name: str) -> LatencyTable:
        """Read a whole table, all samples included."""
        with self._database.reading() as connection:
            return queries.read_table(connection, name)

    def quotations(self, name: str) -> dict[Subject, Quotation]:
        """Read the published latencies of a table, which is quick where there are none."""
        with self._database.reading() as connection:
            return queries.read_quotations(connection, queries.table_id(connection, name))

    def done(self, name: str) -> set[tuple[str, int]]:
        """Return (text of the subject, pass) of every window in a table."""
        with self._database.reading() as connection:
            return queries.passes_done(connection, queries.table_id(connection, name))

    def relative_errors(self, name: str) -> dict[str, float]:
        """Return how well each measured subject of a table is known, by its text.

        As ``Measurement.relative_error``, but with no more than one subject's samples in memory:
        two hundred collections may ask at once.
        """
        with self._database.reading() as connection:
            return queries.relative_errors(connection, queries.table_id(connection, name))

    def create(self, name: str, provenance: Provenance) -> None:
        """Make an empty table, or check that the one of that name may be filled further.

        Raises:
            FormatError: no table can have that name.
            StoreError: the table holds measurements of other circumstances.
        """
        with self._database.writing() as connection:
            if name not in queries.table_names(connection):
                queries.insert_table(connection, name, provenance)
            else:
                table = queries.table_id(connection, name)
                found = queries.provenance_of(connection, table)
                self._check_identity(name, found.identity, provenance.identity)

    def add(self, table: LatencyTable) -> None:
        """Keep a whole table that comes from elsewhere, all of it or nothing.

        Raises:
            StoreError: there is a table of that name already.
        """
        with self._database.writing() as connection:
            if table.name in queries.table_names(connection):
                raise StoreError(
                    f"{self._called(table.name)} is there already; "
                    "give the new one another name, or remove the old one first"
                )
            handle = queries.insert_table(connection, table.name, table.provenance)
            queries.insert_content(connection, handle, table)

    def add_window(self, name: str, subject: Subject, window: Window) -> None:
        """Keep one timed window: when this returns, it is safe. Forgets an earlier failure.

        Raises:
            StoreError: that pass over the subject is there already.
        """
        with self._database.writing() as connection:
            table = queries.table_id(connection, name)
            queries.insert_window(connection, table, subject, window)

    def add_windows(
        self, name: str, found: Mapping[Subject, Window], health: BatchHealth | None = None
    ) -> None:
        """Keep a batch of timed windows, all or none, and how the device was meanwhile.

        When this returns, they are safe. Forgets earlier failures of these subjects.

        Raises:
            StoreError: one of them is there already.
        """
        with self._database.writing() as connection:
            table = queries.table_id(connection, name)
            queries.insert_windows(connection, table, found)
            queries.insert_health(connection, table, [] if health is None else [health])

    def set_transfer(self, name: str, transfer: Transfer) -> None:
        """Keep estimates of operators in a table of whole networks, in place of earlier ones.

        Raises:
            StoreError: operators were measured into the table.
        """
        with self._database.writing() as connection:
            table = queries.table_id(connection, name)
            if count := queries.measured_operators(connection, table):
                raise StoreError(
                    f"{self._called(name)} holds measurements of {count} operators, with which "
                    "estimates do not mix; choose another name with --table"
                )
            queries.replace_transfer(connection, table, transfer)

    def add_failure(self, name: str, subject: Subject, reason: str) -> None:
        """Keep why a subject could not be measured; windows of earlier passes stay."""
        with self._database.writing() as connection:
            table = queries.table_id(connection, name)
            queries.set_failure(connection, table, subject, reason)

    def add_health(self, name: str, health: BatchHealth) -> None:
        """Keep how the device was while a batch was measured."""
        with self._database.writing() as connection:
            queries.insert_health(connection, queries.table_id(connection, name), [health])

    def remove(self, name: str) -> None:
        """Forget a table and all its measurements.

        Raises:
            StoreBusyError: a living process is filling it.
        """
        claim = self._leases.corrected(partial(self._claim, name))
        with self._database.writing() as connection:
            lease.check_free(connection, claim)
            queries.delete_table(connection, queries.table_id(connection, name))

    @contextmanager
    def lease(self, name: str) -> Iterator[None]:
        """Keep other collectors off a table while the block runs.

        A heartbeat shows that we live; the lease of a dead process is taken over.

        Raises:
            StoreBusyError: a living process is filling the table.
        """
        with self._leases.held(partial(self._claim, name)):
            yield

    @contextmanager
    def device_lease(self, machine: str, device: str) -> Iterator[None]:
        """Keep all who share the store off a device while the block runs, as ``lease`` does.

        Args:
            machine: what no other running machine has, the same for all who reach the device.
            device: what to call it.

        Raises:
            DeviceBusyError: a living process is timing on the device.
        """
        with self._leases.held(lambda _: Claim.of_device(machine, device)):
            yield

    def _claim(self, name: str, connection: Connection) -> Claim:
        return Claim.of_table(queries.table_id(connection, name), self._called(name))

    def _check_identity(self, name: str, found: dict[str, str], wanted: dict[str, str]) -> None:
        for what, value in found.items():
            if wanted[what] != value:
                raise StoreError(
                    f"{self._called(name)} was measured with {what} {value!r}, not "
                    f"{wanted[what]!r}, and the two do not mix; "
                    "choose another name, or remove that table first"
                )

    def _called(self, name: str) -> str:
        return f"table {name!r} in {self.where}"
