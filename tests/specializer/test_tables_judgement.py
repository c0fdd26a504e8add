from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sartor.tables import Store

from ..tables.made_up import FACTOR, OPERATORS, table
from .chain import sartor


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "tables.sqlite"
    with Store.open(path) as opened:
        opened.add(replace(table(1, noise=0.001), name="old"))
        opened.add(replace(table(2, FACTOR, noise=0.001), name="new"))
        opened.add(replace(table(3, networks=[]), name="bare"))
    return path


def test_a_table_is_checked(store: Path) -> None:
    good = sartor("tables", "check", "old", "--store", store)
    assert good.exit_code == 0
    assert "old is trustworthy" in good.stdout
    document = sartor("tables", "check", "old", "--store", store, "--json").document
    assert (document["verdict"], document["doubts"], document["steady"]) == ("trustworthy", [], 1)
    bare = sartor("tables", "check", "bare", "--store", store)
    assert bare.exit_code == 1
    assert "bare is not to be trusted" in bare.stdout
    assert "against it: no whole networks were measured" in bare.stderr


def test_two_tables_are_compared(store: Path) -> None:
    document = sartor("tables", "diff", "old", "new", "--store", store, "--json").document
    moved = [one["operator"] for one in document["operators"] if one["moved"]]
    assert set(map(str, FACTOR)) <= set(moved)
    assert document["disagreement"] < 0.02
    printed = sartor("tables", "diff", "old", "new", "--store", store, "--most", "1").stdout
    assert str(OPERATORS[0]) in printed.replace("\n", "").replace(" ", "")
    assert "of 6 networks" in printed


def test_two_tables_are_merged(store: Path) -> None:
    merged = sartor("tables", "merge", "both", "old", "bare", "--store", store)
    assert merged.exit_code == 0
    with Store.open(store) as opened:
        both = opened.load("both")
    assert {len(row.window_medians_ms) for row in both.rows.values()} == {8}
    again = sartor("tables", "merge", "both", "old", "--store", store)
    assert again.exit_code == 1
    assert "is there already" in again.stderr


def test_a_table_is_drawn(store: Path, tmp_path: Path) -> None:
    for name in ("old", "bare"):
        picture = tmp_path / f"{name}.png"
        assert sartor("tables", "plot", name, picture, "--store", store).exit_code == 0
        assert picture.read_bytes().startswith(b"\x89PNG")


def test_an_unknown_table_is_an_error(store: Path, tmp_path: Path) -> None:
    for command in (["check", "gone"], ["diff", "old", "gone"], ["merge", "x", "gone"]):
        ended = sartor("tables", *command, "--store", store)
        assert ended.exit_code == 1
        assert "no table 'gone'" in ended.stderr
    ended = sartor("tables", "plot", "old", tmp_path, "--store", store)
    assert ended.exit_code == 1
    assert "Traceback" not in ended.stderr
