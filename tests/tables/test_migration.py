"""A store that an older Sartor made, as raw SQL: what it has to be is what that Sartor wrote."""

from __future__ import annotations

import pytest

from sartor.tables import LatencyTable, Network, Store, database
from sartor.tables.address import Address
from sartor.tables.backends import backend
from sartor.tables.errors import StoreBusyError, StoreError
from sartor.tables.estimate import Estimate, Transfer
from sartor.tables.health import BatchHealth
from sartor.tables.migration import migrate
from sartor.tables.quotation import Quotation
from sartor.tables.schema import SCHEMA_VERSION

from .children import PROVENANCE, child, operator, window
from .place import Place

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

ON_POSTGRESQL = {
    "id INTEGER NOT NULL": "id SERIAL NOT NULL",
    "BLOB": "BYTEA",
    "X'": "'\\x",
}
"""What is spelled otherwise there."""

LEFT_OFF = """;
SELECT setval('latency_tables_id_seq', 1);
SELECT setval('subjects_id_seq', 3)
"""


@pytest.fixture
def old(place: Place) -> Place:
    """A store of version 1; in a file, in write-ahead mode as Sartor keeps it."""
    script = VERSION_1.strip().removesuffix(";")
    if place.kind == "sqlite":
        place.execute("PRAGMA journal_mode = WAL")
    else:
        for here, there in ON_POSTGRESQL.items():
            script = script.replace(here, there)
        script += LEFT_OFF
    place.execute(script)
    return place


def version_of(place: Place) -> list[tuple[object, ...]]:
    return place.execute("SELECT schema_version FROM sartor")


def test_a_store_of_version_1_opens_and_keeps_everything(old: Place) -> None:
    with Store.open(old.address) as store:
        table = store.load("mine")
        assert table.provenance == PROVENANCE
        assert table.latencies_ms == {operator(1): 1.0}
        assert table.windows[operator(1)][0].preempted == 3
        (whole,) = table.networks
        assert whole.network == Network("whole", (operator(1),))
        assert whole.measurement.median_ms == 2.0
        assert table.failures == {operator(2): "out of memory"}
        assert table.quotations == {}
        assert table.health == ()
        assert table.transfer is None
    assert version_of(old) == [(SCHEMA_VERSION,)]


def test_a_migrated_store_takes_what_is_new_and_what_is_old(old: Place) -> None:
    published = LatencyTable.from_windows(
        "published",
        PROVENANCE,
        {},
        {},
        {operator(9): Quotation(1.0)},
        (BatchHealth(0, 1.5, warnings=("it was hot",)),),
    )
    transfer = Transfer(("mine",), -0.1, 0.05, {operator(9): Estimate(1.0)})
    estimated = LatencyTable.from_windows("estimated", PROVENANCE, {}, {}, transfer=transfer)
    with Store.open(old.address) as store:
        store.add(published)
        store.add(estimated)
        store.add_window("mine", operator(1), window(1))
    with Store.open(old.address) as again:
        assert again.load("published") == published
        assert again.load("estimated") == estimated
        assert again.done("mine") == {
            (str(operator(1)), 0),
            (str(operator(1)), 1),
            ("network whole", 0),
        }
        again.remove("published")
        assert again.find("mine").windows == 3
    assert version_of(old) == [(SCHEMA_VERSION,)]


def test_two_processes_open_an_old_store_at_once(old: Place) -> None:
    address = old.address
    with child("collect", address, "one", 5) as one, child("collect", address, "two", 5) as two:
        assert [each.communicate(timeout=60)[1] for each in (one, two)] == ["", ""]
    assert version_of(old) == [(SCHEMA_VERSION,)]
    with Store.open(address) as store:
        assert [summary.windows for summary in store.tables()] == [2, 5, 5]


def test_who_comes_second_to_a_migration_finds_it_done(old: Place) -> None:
    """Two that both have read version 1 take their turns behind the store's lock."""
    address = Address.parse(old.address)
    engine = address.backend.make_engine(address.url)
    opened = database.Database(engine, address.backend, address.shown)
    for _ in range(2):
        with opened.writing() as connection:
            migrate(connection, 1)
    opened.close()
    assert version_of(old) == [(2,)]


def test_a_step_that_fails_leaves_the_old_store(old: Place) -> None:
    old.execute("CREATE VIEW quotations AS SELECT 1")
    with pytest.raises(StoreError, match="already exists"):
        Store.open(old.address)
    assert version_of(old) == [(1,)]


def test_a_locked_old_store_says_so(old: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "LOCK_TIMEOUT_S", 0.05)
    address = Address.parse(old.address)
    engine = address.backend.make_engine(address.url)
    other = database.Database(engine, address.backend, address.shown)
    with (
        other.writing(),
        pytest.raises(StoreBusyError, match="wait for, or end, the other program"),
    ):
        Store.open(old.address)
    other.close()
    assert version_of(old) == [(1,)]
