"""Trouble with a store on a server; with one in a file: ``test_store_in_trouble``."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sartor.tables import Store
from sartor.tables.backends import backend
from sartor.tables.errors import RuntimeMissingError, StoreBusyError, StoreError

from ..server import Server
from .children import PROVENANCE, child, lines_of, operator, window

ONE, TWO = operator(1), operator(2)
NEEDLE = "needle/@ 1"
END = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
    "WHERE application_name = 'sartor' AND datname = 'lab'"
)
"""Ends the connections of all stores."""


@pytest.fixture
def store(lab: Server) -> Iterator[Store]:
    with Store.open(lab.url()) as store:
        store.create("mine", PROVENANCE)
        yield store


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_a_url_may_leave_out_the_driver(store: Store, lab: Server, scheme: str) -> None:
    url = lab.url().replace("postgresql+psycopg", scheme)
    with Store.open(url) as again:
        assert again.find("mine").windows == 0


def test_without_psycopg_one_is_told_what_to_install(
    lab: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(RuntimeMissingError, match=r"pip install 'sartor\[postgres\]'"):
        Store.open(lab.url())


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("postgresql://me:needle@127.0.0.1:1/lab", "cannot be reached .*[Cc]onnection refused"),
        ("postgresql://me@127.0.0.1:1/lab?password=needle", "cannot be reached"),
        ("postgresql://me@127.0.0.1:1/l?password=no&password=needle", "cannot be reached"),
        ("postgresql:///lab?host=/no/such&password=needle", "cannot be reached .*No such file"),
        ("postgresql://me@127.0.0.1:1/lab?sslpassword=needle", "cannot be reached"),
        ("postgresql://me:needle@127.0.0.1:port/lab", "a port is a number"),
        ("postgresql://me:my@needle@127.0.0.1:1/lab", "write an @ in a password as %40"),
        ("postgresql://me:my@needle:needle@127.0.0.1/lab", "a port is a number"),
        ("postgresql+psycopg2://me:needle@127.0.0.1/lab", "names no database"),
        ("mysql://me:needle@127.0.0.1/lab?password=needle", "names no database"),
        ("post gresql://me:needle@127.0.0.1/lab", "names no database"),
    ],
)
def test_an_address_that_leads_nowhere_is_told_without_the_password(
    url: str, complaint: str
) -> None:
    pytest.importorskip("psycopg", reason="pip install 'sartor[postgres]'")
    with pytest.raises(StoreError, match=complaint) as caught:
        Store.open(url)
    assert "needle" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def locked(lab: Server) -> Server:
    """A server with a user who needs a password to come in."""
    lab.execute(f"DROP ROLE IF EXISTS locked; CREATE ROLE locked LOGIN PASSWORD '{NEEDLE}'")
    lab.execute("GRANT USAGE, CREATE ON SCHEMA public TO locked")
    return lab


def test_a_password_opens_and_is_not_shown(locked: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.open(locked.url(user="locked", password=NEEDLE)) as store:
        store.create("mine", PROVENANCE)
        assert ":***@" in store.where
        with pytest.raises(StoreError, match=r"locked:\*\*\*@"), store.lease("mine"):
            store.remove("mine")
    monkeypatch.setenv("PGPASSWORD", NEEDLE)
    with Store.open(locked.url(user="locked")) as store:
        store.remove("mine")


@pytest.mark.parametrize(
    ("user", "password", "complaint"),
    [
        ("locked", "wrong needle", "does not let you in .*password authentication failed"),
        ("locked", "", "does not let you in .*no password"),
        ("stranger", "", 'does not let you in .*role "stranger" does not exist'),
        ("barred", "", "does not let you in .*pg_hba.conf"),
    ],
)
def test_who_may_not_come_in_is_told(
    locked: Server, user: str, password: str, complaint: str
) -> None:
    with pytest.raises(StoreError, match=complaint) as caught:
        Store.open(locked.url(user=user, password=password))
    assert "needle" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_database_that_is_not_there(lab: Server) -> None:
    with pytest.raises(StoreError, match=r'is no database of that server \(database "attic"'):
        Store.open(lab.url(database="attic"))


def test_a_database_of_another_program_is_left_alone(lab: Server) -> None:
    lab.execute("CREATE TABLE recipes (name TEXT)")
    with pytest.raises(StoreError, match="of another program; name another database"):
        Store.open(lab.url())
    assert lab.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == [
        ("recipes",)
    ]


def test_a_reader_reads_and_is_told_that_it_may_not_write(store: Store, lab: Server) -> None:
    store.add_window("mine", ONE, window(0))
    lab.execute("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN")
    with pytest.raises(StoreError, match=r"does not permit that \(no schema has been selected"):
        Store.open(lab.url(user="reader"))
    lab.execute("GRANT USAGE ON SCHEMA public TO reader")
    with pytest.raises(StoreError, match=r"does not permit that \(permission denied for table"):
        Store.open(lab.url(user="reader"))
    lab.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    with Store.open(lab.url(user="reader")) as reading:
        assert reading.load("mine").windows == {ONE: (window(0),)}
        with pytest.raises(StoreError, match=r"does not permit that \(permission denied"):
            reading.add_window("mine", ONE, window(1))
    lab.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO reader")
    lab.execute("ALTER ROLE reader SET default_transaction_read_only = on")
    with (
        Store.open(lab.url(user="reader")) as reading,
        pytest.raises(StoreError, match=r"may not be written to \(cannot execute"),
    ):
        reading.add_window("mine", ONE, window(1))
    assert store.find("mine").windows == 1


def test_a_new_store_without_the_right_to_make_tables(lab: Server) -> None:
    lab.execute("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN")
    lab.execute("GRANT USAGE ON SCHEMA public TO reader")
    with pytest.raises(StoreError, match=r"does not permit that \(permission denied for schema"):
        Store.open(lab.url(user="reader"))


def test_a_connection_that_ends_between_two_windows_is_not_noticed(
    store: Store, lab: Server
) -> None:
    store.add_window("mine", ONE, window(0))
    assert lab.execute(END) == [(True,)]
    store.add_window("mine", TWO, window(0))
    assert store.find("mine").windows == 2


def test_a_connection_that_ends_within_a_call_is_told_and_a_rerun_goes_on(
    store: Store, lab: Server
) -> None:
    with (
        Store.open(lab.url()) as other,
        ThreadPoolExecutor(1) as thread,
        store.lease("mine"),
    ):
        with other._database.writing():
            call = thread.submit(store.add_window, "mine", ONE, window(0))
            while not lab.execute(f"{END} AND wait_event = 'advisory'"):
                pass
            with pytest.raises(StoreError, match=r"lost the connection.*so run the same again"):
                call.result()
        assert store.find("mine").windows == 0
        store.add_window("mine", ONE, window(0))
    assert store.find("mine").windows == 1


def measure_until_the_server_dies(store: Store, server: Server) -> None:
    with store.lease("mine"):
        store.add_window("mine", ONE, window(0))
        server.stop()
        store.add_window("mine", TWO, window(0))


def test_a_server_killed_between_two_windows_loses_nothing(store: Store, lab: Server) -> None:
    """And the lease that could not be given back is no obstacle when this process goes on."""
    with pytest.raises(StoreError, match="cannot be reached"):
        measure_until_the_server_dies(store, lab)
    lab.start()
    with store.lease("mine"):
        assert store.done("mine") == {(str(ONE), 0)}
        store.add_window("mine", TWO, window(0))
    assert store.find("mine").windows == 2
    with Store.open(lab.url()) as another, another.lease("mine"):
        pass


def test_a_server_killed_in_the_middle_of_a_collection(lab: Server) -> None:
    with child("collect", lab.url(), "mine", 10_000) as process:
        told = lines_of(process)
        acknowledged = [next(told) for _ in range(20)]
        lab.stop()
        acknowledged += told
        assert process.stderr is not None
        complaint = process.stderr.read()
    assert process.returncode == 1
    assert complaint.startswith(f"StoreError: {lab.url()} ")
    assert re.search("lost the connection|is starting, stopping|cannot be reached", complaint)
    assert complaint.count("\n") == 1
    lab.start()
    with child("collect", lab.url(), "mine", 5) as process:
        assert process.communicate(timeout=60)[1] == ""
    with Store.open(lab.url()) as store:
        done = store.done("mine")
        assert {(text, 0) for text in acknowledged} <= done
        assert len(acknowledged) + 5 <= len(done) <= len(acknowledged) + 6


def test_a_host_killed_while_the_server_commits(store: Store, lab: Server) -> None:
    """It is never told that its window is safe, which it is; the next one measures the rest."""
    slow = (
        "CREATE FUNCTION dally() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_sleep(1); RETURN NULL; END $$; "
        "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON windows DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION dally()"
    )
    lab.execute(slow)
    with child("collect", lab.url(), "mine", 10_000) as process:
        while not lab.execute(
            "SELECT 1 FROM pg_stat_activity WHERE query = 'COMMIT' AND wait_event = 'PgSleep'"
        ):
            assert process.poll() is None
        process.kill()
        assert list(lines_of(process)) == []
    lab.execute("ALTER TABLE windows DISABLE TRIGGER slow")
    with child("collect", lab.url(), "mine", 5) as process:
        told = list(lines_of(process))
    assert str(ONE) not in told
    assert store.done("mine") == {(str(ONE), 0), *((text, 0) for text in told)}
    assert len(told) == 5


def test_a_host_that_falls_silent_within_a_call_loses_its_turn(store: Store, lab: Server) -> None:
    """As one without power does: it says no goodbye, and its connection seems to stand."""
    with child("stall", lab.url(), "mine", 0.5) as process:
        assert next(lines_of(process)) == "inside"
        process.send_signal(signal.SIGSTOP)
        store.add_window("mine", TWO, window(0))
        assert store.done("mine") == {(str(TWO), 0)}
        process.send_signal(signal.SIGCONT)
        _, complaint = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "lost the connection to its server" in complaint
    assert complaint.count("\n") == 1
    assert store.done("mine") == {(str(TWO), 0)}


def test_a_store_that_another_program_locks_says_so(
    store: Store, lab: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "LOCK_TIMEOUT_S", 0.05)
    with Store.open(lab.url()) as other, other._database.writing():
        with pytest.raises(StoreBusyError, match="wait for, or end, the other program"):
            store.add_window("mine", ONE, window(0))
        assert store.done("mine") == set()
    store.add_window("mine", ONE, window(0))


def test_a_full_disk_says_so_and_keeps_what_was_told(store: Store, lab: Server) -> None:
    """The file of the windows leads to the device that is always full: really ENOSPC."""
    store.add_failure("mine", ONE, "no")
    ((name,),) = lab.execute("SELECT pg_relation_filepath('windows')")
    file = lab.folder / "data" / str(name)
    aside = file.rename(file.with_suffix(".aside"))
    file.symlink_to("/dev/full")
    lab.execute(END)  # they know the old file
    with pytest.raises(StoreError, match="does not fit on its disk; free some space and go on"):
        store.add_window("mine", TWO, window(0))
    aside.rename(file)
    lab.execute(END)
    assert store.load("mine").failures == {ONE: "no"}
    store.add_window("mine", TWO, window(0))
    assert store.done("mine") == {(str(TWO), 0)}


def test_a_server_that_is_full_says_so(store: Store, lab: Server) -> None:
    lab.execute("DROP ROLE IF EXISTS single; CREATE ROLE single LOGIN CONNECTION LIMIT 0")
    with pytest.raises(StoreError, match=r"takes no more connections \(too many connections"):
        Store.open(lab.url(user="single"))


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("UPDATE windows SET samples_us = '\\x00'", "is damaged"),
        ("UPDATE windows SET samples_us = '\\x00000000'", "is damaged"),
        ("UPDATE subjects SET text = 'nonsense'", "is damaged"),
        ("UPDATE subjects SET operators = 'nonsense'", "is damaged"),
        ("UPDATE latency_tables SET provenance = '{'", "is damaged"),
        ("DELETE FROM sartor", "is damaged"),
        ("UPDATE sartor SET schema_version = 0", "is damaged"),
        ("INSERT INTO quotations VALUES (1, -1.0, NULL, NULL)", "is damaged"),
        ("DROP TABLE windows CASCADE", "cannot be used"),
        ("ALTER TABLE windows RENAME preempted TO gone", "cannot be used"),
    ],
)
def test_rows_that_no_sartor_wrote_are_damage(
    store: Store, lab: Server, statement: str, complaint: str
) -> None:
    store.add_window("mine", ONE, window(0))
    lab.execute(statement)
    with pytest.raises(StoreError, match=complaint) as caught, Store.open(lab.url()) as again:
        again.load("mine")
    assert "\n" not in str(caught.value)


def test_a_database_in_an_old_encoding(lab: Server) -> None:
    lab.execute("DROP DATABASE IF EXISTS latin")
    lab.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with Store.open(lab.url(database="latin")) as store:
        store.create("é", PROVENANCE)
        assert [table.name for table in store.tables()] == ["é"]
        with pytest.raises(StoreError, match="make it anew in UTF8"):
            store.create("織", PROVENANCE)
    lab.execute("DROP DATABASE latin")


def test_a_dump_is_a_backup(store: Store, lab: Server, tmp_path: Path) -> None:
    store.add_window("mine", ONE, window(0))
    with store.lease("mine"):
        run(lab, "pg_dump", "--file", tmp_path / "lab.sql")
    before = store.load("mine")
    lab.empty()
    run(lab, "psql", "--quiet", "-v", "ON_ERROR_STOP=1", "--file", tmp_path / "lab.sql")
    with Store.open(lab.url()) as again:
        assert again.load("mine") == before
        again.add_window("mine", TWO, window(0))


def run(server: Server, program: str, *arguments: object) -> None:
    url = server.url().replace("+psycopg", "")
    argv = [str(server.programs / program), *map(str, arguments), "--dbname", url]
    subprocess.run(argv, check=True, capture_output=True, timeout=60)
