"""Addresses of stores: where one is kept, and what may be shown of that."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError

from .backends import Backend, PostgreSQL, SQLite
from .errors import StoreError

_BACKENDS: dict[str, type[Backend]] = {
    "sqlite": SQLite,
    "sqlite+pysqlite": SQLite,
    "postgres": PostgreSQL,
    "postgresql": PostgreSQL,
    "postgresql+psycopg": PostgreSQL,
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a store is kept.

    Attributes:
        url: as SQLAlchemy reads it, the password included.
        shown: what to call it in messages; holds no password.
        backend: the kind of its database.
    """

    url: URL
    shown: str
    backend: Backend

    @classmethod
    def parse(cls, path_or_url: str | Path) -> Address:
        """Read an address: whatever holds ``://`` is a URL, and anything else a file.

        Raises:
            StoreError: it names no kind of database that a store can be kept in.
        """
        text = str(path_or_url)
        if not text:  # SQLite would take it for a database that is gone when it is closed
            raise StoreError("a store has to have a name; name a file")
        if "://" not in text:
            return cls(URL.create("sqlite", database=text), text, SQLite())
        try:
            url = _password_in_its_place(make_url(text))
        except (ArgumentError, ValueError) as error:
            raise StoreError(
                f"{_without_password(text)} names no database that can be used here: write it as "
                "postgresql+psycopg://USER@HOST:PORT/DATABASE (a port is a number)"
            ) from error
        if "@" in (url.host or ""):
            raise StoreError(
                f"{_without_password(text)} names no database that can be used here: "
                "write an @ in a password as %40"
            )
        if url.drivername not in _BACKENDS:
            raise StoreError(
                f"{_without_password(text)} names no database that can be used here: "
                "use a file, or postgresql+psycopg://USER@HOST/DATABASE"
            )
        return cls(url, _shown(url), _BACKENDS[url.drivername]())


def _password_in_its_place(url: URL) -> URL:
    """Take a password out of a URL's parameters, where everybody would show it."""
    if not (given := url.query.get("password")):
        return url
    password = given if isinstance(given, str) else given[-1]
    return url.difference_update_query(["password"]).set(password=password)


def _shown(url: URL) -> str:
    return url.difference_update_query(["sslpassword"]).render_as_string(hide_password=True)


def _without_password(text: str) -> str:
    """Blot out all that may be a password in what may not be a URL."""
    text = re.sub(r"(://[^:@]*):.*@", r"\1:***@", text)
    return re.sub(r"(password=)[^&]*", r"\1***", text)
