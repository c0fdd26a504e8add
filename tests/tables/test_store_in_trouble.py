"""Trouble with a store in a file; with one on a server: ``test_postgresql``."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from sartor.tables import LatencyTable, Store, Subject, Window
from sartor.tables.backends import backend
from sartor.tables.errors import StoreBusyError, StoreError

from .children import PROVENANCE, child, lines_of, operator, window


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a store with a table of 300 windows."""
    path = tmp_path_factory.mktemp("content") / "store.db"
    windows: dict[Subject, list[Window]] = {
        operator(out): [window(0, float(out))] for out in range(1, 301)
    }
    with Store.open(path) as store:
        store.add(LatencyTable.from_windows("mine", PROVENANCE, windows, {}))
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path, content: bytes) -> Path:
    """The file of a store with a table of 300 windows."""
    path = tmp_path / "store.db"
    path.write_bytes(content)
    return path


def test_opening_waits_for_another_that_makes_the_store(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.3, other.rollback)
    release.start()
    with Store.open(path) as store:
        assert store.tables() == []
    release.join()
    other.close()


def test_a_full_disk_says_so_and_keeps_what_was_told(path: Path) -> None:
    with child("collect_in_little_space", path, "mine", 10_000) as process:
        told = list(lines_of(process))
        assert process.stderr is not None
        message = process.stderr.read()
    assert process.returncode == 1
    assert message.startswith(f"StoreError: {path} ")
    assert "disk" in message
    assert message.count("\n") == 1
    with Store.open(path) as store:
        assert {(text, 0) for text in told} <= store.done("mine")
        store.add_window("mine", operator(9999), window(0))


@pytest.mark.parametrize("seed", range(4))
def test_a_collector_killed_within_the_write_of_a_commit(path: Path, seed: int) -> None:
    """Wherever in a page that is: what was told is there, and half a commit is none."""
    size, before = random.Random(seed).randrange(200_000, 800_000), 300
    with child("collect_until_killed", path, "mine", 10_000, size) as process:
        told = list(lines_of(process))
    assert process.returncode == -signal.SIGXFSZ
    assert max(file.stat().st_size for file in path.parent.glob("store.db*")) == size
    with child("collect", path, "mine", 5) as process:
        assert process.communicate(timeout=60)[1] == ""
    with Store.open(path) as store:
        done = store.done("mine")
        assert {(text, 0) for text in told} <= done
        assert before + len(told) + 5 <= len(done) <= before + len(told) + 6
        table = store.load("mine")
    assert len(told) > 0
    assert sum(map(len, table.windows.values())) == len(table.rows) == len(done)


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that everybody may reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_a_read_only_store_says_so(path: Path, public: Path) -> None:
    shutil.copy(path, public / "store.db")
    (public / "store.db").chmod(0o444)
    if os.getuid():
        public.chmod(0o555)
    with child("collect_as_nobody", public / "store.db", "mine", 1) as process:
        assert process.stderr is not None
        message = process.stderr.read()
    public.chmod(0o755)
    assert process.returncode == 1
    assert message == (
        f"StoreError: {public}/store.db may not be written to; "
        "change its permissions, or name another store\n"
    )


def test_a_folder_without_permission_says_so(public: Path) -> None:
    (public / "closed").mkdir(0o500)
    where = public / "closed" / "new" / "store.db"
    with child("collect_as_nobody", where, "mine", 1) as process:
        assert process.stderr is not None
        message = process.stderr.read()
    assert message == (
        f"StoreError: {where} cannot be made (Permission denied); "
        "choose a folder that you may write to\n"
    )


def test_a_store_that_another_program_locks_says_so(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "LOCK_TIMEOUT_S", 0.05)
    other = sqlite3.connect(path)
    with Store.open(path) as store:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusyError, match="wait for, or end, the other program"):
            store.add_window("mine", operator(9999), window(0))
        assert len(store.done("mine")) == 300
        other.rollback()
        store.add_window("mine", operator(9999), window(0))
    other.close()


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.close()
    with pytest.raises(StoreError, match="is a database of another program"):
        Store.open(path)
    with sqlite3.connect(path) as connection:
        names = connection.execute("SELECT name FROM sqlite_master").fetchall()
    connection.close()
    assert names == [("recipes",)]


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("Buy thread and needles.\n" * 99)
    with pytest.raises(StoreError, match=r"notes\.txt is not a store of Sartor; name another file"):
        Store.open(path)
    assert path.read_text() == "Buy thread and needles.\n" * 99


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened; check that it is a file"):
        Store.open(tmp_path)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.7, 0.99])
def test_a_truncated_store_says_so(path: Path, content: bytes, share: float) -> None:
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(StoreError, match=r"store\.db is (damaged|not a store)") as caught:
        use(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("start", range(4096, 60_000, 7001))
def test_damage_raises_nothing_but_store_errors(path: Path, content: bytes, start: int) -> None:
    hurt = bytes(byte ^ 0xA5 for byte in content[start : start + 600])
    path.write_bytes(content[:start] + hurt + content[start + 600 :])
    with suppress(StoreError):
        use(path)


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("UPDATE windows SET samples_us = x'00'", "is damaged"),
        ("UPDATE windows SET samples_us = x'00000000'", "is damaged"),
        ("UPDATE windows SET pass_index = 'first' WHERE rowid = 1", "is damaged"),
        ("UPDATE subjects SET text = 'nonsense' WHERE id = 7", "is damaged"),
        ("UPDATE subjects SET operators = 'nonsense' WHERE id = 7", "is damaged"),
        ("UPDATE latency_tables SET provenance = '{'", "is damaged"),
        ("UPDATE latency_tables SET provenance = '{}'", "is damaged"),
        ("DROP TABLE windows", "cannot be used"),
        ("DELETE FROM sartor", "is damaged"),
        ("UPDATE sartor SET schema_version = 'one'", "is damaged"),
        ("UPDATE sartor SET schema_version = 0", "is damaged"),
        ("INSERT INTO quotations VALUES (7, -1.0, NULL, NULL)", "is damaged"),
        ("INSERT INTO quotations VALUES (7, 'soon', NULL, NULL)", "is damaged"),
        ("DROP TABLE quotations", "cannot be used"),
    ],
)
def test_rows_that_no_sartor_wrote_are_damage(path: Path, statement: str, complaint: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    connection.close()
    with pytest.raises(StoreError, match=rf"store\.db {complaint}") as caught:
        use(path)
    assert "\n" not in str(caught.value)


def use(path: Path) -> None:
    with Store.open(path) as store:
        store.load("mine")


@pytest.mark.parametrize("url", ["nosuch://host/name", "mysql://host/name", "://"])
def test_an_address_that_names_no_database(url: str) -> None:
    with pytest.raises(StoreError, match="names no database that can be used here"):
        Store.open(url)


def test_a_url_of_sqlite_is_a_store_like_any_other(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path}/store.db") as store:
        store.create("mine", PROVENANCE)
    with Store.open(tmp_path / "store.db") as store:
        assert store.find("mine").windows == 0
