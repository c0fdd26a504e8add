"""Text that comes from elsewhere, and may hold any character."""

from __future__ import annotations

from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator

_NUL, _ESCAPE = "\0", "\x1b"  # no text of ours has the latter, and few of others'


class AnyText(TypeDecorator[str]):
    """Text that may hold NUL, as what a dying program printed may; PostgreSQL's cannot.

    There NUL is kept as an escape and a zero, and an escape as two.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Write what the database can hold."""
        if value is None or dialect.name == "sqlite":
            return value
        return value.replace(_ESCAPE, _ESCAPE * 2).replace(_NUL, f"{_ESCAPE}0")

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Read back what was written."""
        if value is None or dialect.name == "sqlite":
            return value
        pieces = value.split(_ESCAPE * 2)
        return _ESCAPE.join(piece.replace(f"{_ESCAPE}0", _NUL) for piece in pieces)
