"""The kinds of database that a store can be kept in, and all in which they differ."""

from .backend import WRITING, Backend, Trouble
from .clock import Now
from .postgresql import PostgreSQL
from .sqlite import SQLite

__all__ = ["WRITING", "Backend", "Now", "PostgreSQL", "SQLite", "Trouble"]
