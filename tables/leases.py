"""Leases of one process in one store: taken, shown to be alive, and given back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

from . import lease
from .errors import StoreError
from .heart import Heart
from .lease import Claim
from .owner import Owner

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from .database import Database


class Leases:
    """The leases that this process holds in one store."""

    _owed: ClassVar[set[tuple[str, Claim]]] = set()
    """(store, claim) of leases that this process has done with, but could not give back."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._heart = Heart(self._beat)

    @contextmanager
    def held(self, find: Callable[[Connection], Claim]) -> Iterator[None]:
        """Hold a lease while the block runs; one of a dead process is taken over.

        Args:
            find: says what is claimed, inside a transaction.

        Raises:
            StoreBusyError, DeviceBusyError: a living process has it.
        """
        owner = Owner.current()
        claim = self.corrected(find)
        owed = (self._database.where, claim)
        with self._database.writing() as connection:
            if owed in self._owed:
                lease.release(connection, claim, owner)
            lease.take(connection, claim, owner)
        self._owed.discard(owed)
        self._heart.keep(claim)
        try:
            yield
        finally:
            self._heart.drop(claim)
            self._give_back(claim, owner)

    def corrected(self, find: Callable[[Connection], Claim]) -> Claim:
        """Return what is claimed, its lease judged by today's clock; see ``lease.correct``."""
        with self._database.writing() as connection:
            claim = find(connection)
            lease.correct(connection, claim)
        return claim

    def _give_back(self, claim: Claim, owner: Owner) -> None:
        """Give a lease back, or owe it where the store is out of reach.

        That is no error by itself: all that was measured is safe, and what led to it was raised.
        """
        try:
            with self._database.writing() as connection:
                lease.release(connection, claim, owner)
        except StoreError:
            self._owed.add((self._database.where, claim))

    def _beat(self, claims: Iterable[Claim]) -> None:
        with self._database.writing() as connection:
            lease.beat(connection, claims, Owner.current())
