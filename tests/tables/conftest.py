from __future__ import annotations

from pathlib import Path

import pytest

from .place import Place, in_a_file, on


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Every kind of database, with nothing in it: the same tests for all."""
    if request.param == "sqlite":
        return in_a_file(tmp_path / "new" / "store.db")
    return on(request.getfixturevalue("lab"))
