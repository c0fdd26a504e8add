"""What a store needs of a kind of database."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from ..errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Engine
    from sqlalchemy.engine import URL

LOCK_TIMEOUT_S = 30.0
"""How long a call waits for those of other processes before it gives up."""

MOST_READERS = 8
"""How many threads of one process read at once; with the one that writes, they never wait for a
connection, of which ``POOL`` has enough."""

POOL: Mapping[str, int] = MappingProxyType({"pool_size": 2, "max_overflow": MOST_READERS})
"""Parameters of an engine: how many connections it keeps, and how many more it may open."""

WRITING = "sartor_writing"
"""Execution option of a transaction that is to begin with the right to write.

All that write to a store take turns, so whatever a transaction has read is still so when it
writes, and a call never has to be tried twice.
"""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What an error of a database means to the user.

    Attributes:
        explanation: goes on from the name of the store: what is wrong with it, what to do next.
        kind: of the error to raise.
    """

    explanation: str
    kind: type[StoreError] = StoreError


DAMAGED = "is damaged; restore it from a copy, or move it away and measure again"


class Backend(Protocol):
    """A kind of database."""

    another: ClassVar[str]
    """What to name instead of a store that cannot be used."""

    errors: ClassVar[tuple[type[Exception], ...]]
    """What may be raised while it is used, for ``explain``."""

    reading: ClassVar[Mapping[str, Any]]
    """Execution options of a transaction that sees one state of the store, and changes nothing."""

    writing: ClassVar[Mapping[str, Any]]
    """Execution options of a transaction that writes."""

    def make_engine(self, url: URL) -> Engine:
        """Prepare to connect, without doing so.

        Raises:
            StoreError: there is no place for the database.
            RuntimeMissingError: a package that speaks with it is not installed.
        """
        ...

    def explain(self, error: Exception) -> Trouble:
        """Tell what one of ``errors`` means."""
        ...
