"""A store that an older Sartor made, as raw SQL: what it has to be is what that Sartor wrote."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from sartor.tables import LatencyTable, Network, Store, database
from sartor.tables.errors import StoreBusyError, StoreError
from sartor.tables.migration import migrate
from sartor.tables.quotation import Quotation

from . import children
from .children import PROVENANCE, operator, window

VERSION_1 = """
CREATE TABLE sartor (schema_version INTEGER NOT NULL);
CREATE TABLE latency_tables (
    id INTEGER NOT NULL, name TEXT NOT NULL, provenance TEXT NOT NULL,
    PRIMARY KEY (id), UNIQUE (name)
);
CREATE TABLE subjects (
    id INTEGER NOT NULL, table_id INTEGER NOT NULL, text TEXT NOT NULL, operators TEXT,
    failure TEXT, PRIMARY KEY (id), UNIQUE (table_id, text),
    FOREIGN KEY(table_id) REFERENCES latency_tables (id) ON DELETE CASCADE
);
CREATE TABLE windows (
    subject_id INTEGER NOT NULL, pass_index INTEGER NOT NULL, samples_us BLOB NOT NULL,
    preempted INTEGER NOT NULL, reference_us FLOAT NOT NULL, started_at TEXT NOT NULL,
    PRIMARY KEY (subject_id, pass_index),
    FOREIGN KEY(subject_id) REFERENCES subjects (id) ON DELETE CASCADE
);
CREATE TABLE leases (
    table_id INTEGER NOT NULL, place TEXT NOT NULL, pid INTEGER NOT NULL, started TEXT NOT NULL,
    heartbeat_at FLOAT NOT NULL, PRIMARY KEY (table_id),
    FOREIGN KEY(table_id) REFERENCES latency_tables (id) ON DELETE CASCADE
);
INSERT INTO sartor VALUES (1);
INSERT INTO latency_tables VALUES (1, 'mine', '{"device": "local", "facts": {"cores": "2"},
    "condition": "litert/threads=1,batch=1/float32/-", "runtime_version": "2.3.0",
    "runtime_sha256": "ab12", "agent_version": "1", "writer_version": "1", "created_at": "2026",
    "sartor_version": "0.1.0"}');
INSERT INTO subjects VALUES (1, 1, 'dense/8x1x1/out=1/none/float32', NULL, NULL);
INSERT INTO subjects VALUES (2, 1, 'network whole', 'dense/8x1x1/out=1/none/float32', NULL);
INSERT INTO subjects VALUES (3, 1, 'dense/8x1x1/out=2/none/float32', NULL, 'out of memory');
INSERT INTO windows VALUES (1, 0, X'00007A44', 3, 100.0, '2026-01-01');
INSERT INTO windows VALUES (2, 0, X'0000FA44', 0, 100.0, '2026-01-01');
"""
"""1000 and 2000 µs, as little-endian float32."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a store of version 1, in write-ahead mode as Sartor keeps it."""
    path = tmp_path / "old.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(VERSION_1)
    connection.close()
    return path


def version_of(path: Path) -> list[int]:
    with sqlite3.connect(path) as connection:
        found = [version for (version,) in connection.execute("SELECT schema_version FROM sartor")]
    connection.close()
    return found


def test_a_store_of_version_1_opens_and_keeps_everything(path: Path) -> None:
    with Store.open(path) as store:
        table = store.load("mine")
        assert table.provenance == PROVENANCE
        assert table.latencies_ms == {operator(1): 1.0}
        assert table.windows[operator(1)][0].preempted == 3
        (whole,) = table.networks
        assert whole.network == Network("whole", (operator(1),))
        assert whole.measurement.median_ms == 2.0
        assert table.failures == {operator(2): "out of memory"}
        assert table.quotations == {}
    assert version_of(path) == [2]


def test_a_migrated_store_takes_what_is_new_and_what_is_old(path: Path) -> None:
    published = LatencyTable.from_windows(
        "published", PROVENANCE, {}, {}, {operator(9): Quotation(1.0)}
    )
    with Store.open(path) as store:
        store.add(published)
        store.add_window("mine", operator(1), window(1))
    with Store.open(path) as again:
        assert again.load("published") == published
        assert again.done("mine") == {
            (str(operator(1)), 0),
            (str(operator(1)), 1),
            ("network whole", 0),
        }
        again.remove("published")
        assert again.find("mine").windows == 3
    assert version_of(path) == [2]


def test_two_processes_open_an_old_store_at_once(path: Path) -> None:
    argv = [sys.executable, children.__file__, "collect", str(path)]
    with (
        subprocess.Popen([*argv, "one", "5"], stderr=subprocess.PIPE, text=True) as one,
        subprocess.Popen([*argv, "two", "5"], stderr=subprocess.PIPE, text=True) as two,
    ):
        assert [each.communicate(timeout=60)[1] for each in (one, two)] == ["", ""]
    assert version_of(path) == [2]
    with Store.open(path) as store:
        assert [summary.windows for summary in store.tables()] == [2, 5, 5]


def test_who_comes_second_to_a_migration_finds_it_done(path: Path) -> None:
    """Two that both have read version 1 take their turns behind SQLite's lock."""
    engine = create_engine(f"sqlite:///{path}")
    for _ in range(2):
        with engine.begin() as connection:
            migrate(connection, 1)
    engine.dispose()
    assert version_of(path) == [2]


def test_a_step_that_fails_leaves_the_old_store(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE VIEW quotations AS SELECT 1")
    connection.close()
    with pytest.raises(StoreError, match="already exists"):
        Store.open(path)
    assert version_of(path) == [1]


def test_a_locked_old_store_says_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_LOCK_TIMEOUT_S", 0.05)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusyError, match="wait for, or end, the other program"):
        Store.open(path)
    holder.rollback()
    holder.close()
    assert version_of(path) == [1]
