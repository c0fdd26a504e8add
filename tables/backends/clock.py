"""The clock of the database: hosts that share a store may disagree about the time."""

from __future__ import annotations

from sqlalchemy import Float
from sqlalchemy.sql.functions import FunctionElement


class Now(FunctionElement[float]):
    """Unix time in seconds, told by the database when it gets there, not at the beginning.

    Every backend has words of its own for it.
    """

    inherit_cache = True
    type = Float()
