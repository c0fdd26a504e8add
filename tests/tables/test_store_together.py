"""Several processes at one store, on every kind of database."""

from __future__ import annotations

import pytest

from sartor.tables import Store
from sartor.tables.errors import StoreBusyError, StoreVersionError
from sartor.tables.schema import SCHEMA_VERSION

from .children import PROVENANCE, child, lines_of, operator, window
from .place import Place


def test_kill_9_loses_nothing_and_doubles_nothing(place: Place) -> None:
    acknowledged: list[str] = []
    for lines in (5, 23, 60):
        with child("collect", place.address, "mine", 10_000) as process:
            told = lines_of(process)
            acknowledged += [next(told) for _ in range(lines)]
            process.kill()
            acknowledged += told
    with Store.open(place.address) as store:
        done = store.done("mine")
        assert {(text, 0) for text in acknowledged} <= done
        assert len(done) <= len(acknowledged) + 3  # at each kill one may be safe, yet not told
        assert len(set(acknowledged)) == len(acknowledged)
        table = store.load("mine")
        assert len(table.rows) == len(done)
        for measured in table.rows:
            assert [each.samples_us[0] for each in table.windows[measured]] == [measured["out"]]


def test_a_lease_of_the_living_is_respected_and_one_of_the_dead_taken_over(place: Place) -> None:
    with Store.open(place.address) as store:
        store.create("mine", PROVENANCE)
        with child("hold", place.address, "mine") as process:
            assert next(lines_of(process)) == "held"
            with pytest.raises(StoreBusyError, match=f"process {process.pid}"), store.lease("mine"):
                pass
            process.kill()
            process.wait()
            with store.lease("mine"):
                pass


def test_two_collectors_open_a_new_store_at_once(place: Place) -> None:
    address = place.address
    with child("collect", address, "one", 50) as one, child("collect", address, "two", 50) as two:
        assert [each.communicate(timeout=60)[1] for each in (one, two)] == ["", ""]
    with Store.open(address) as store:
        assert [summary.windows for summary in store.tables()] == [50, 50]


def test_two_collectors_of_one_table(place: Place) -> None:
    """One fills it and the other is told; when the first is killed, the second goes on."""
    with child("collect", place.address, "mine", 10_000) as first:
        told = lines_of(first)
        acknowledged = [next(told) for _ in range(5)]
        with child("collect", place.address, "mine", 10_000) as second:
            _, complaint = second.communicate(timeout=60)
        assert second.returncode == 1
        assert f"is being filled by process {first.pid}" in complaint
        first.kill()
        acknowledged += told
    with child("collect", place.address, "mine", 5) as second:
        assert second.communicate(timeout=60)[1] == ""
    with Store.open(place.address) as store:
        done = store.done("mine")
        assert {(text, 0) for text in acknowledged} <= done
        assert len(acknowledged) + 5 <= len(done) <= len(acknowledged) + 6
        assert len(store.load("mine").windows) == len(done)


def test_a_collector_killed_before_its_window_is_safe_leaves_nothing_of_it(place: Place) -> None:
    with Store.open(place.address) as store:
        store.create("mine", PROVENANCE)
        with child("stall", place.address, "mine", 60) as process:
            assert next(lines_of(process)) == "inside"
            assert store.done("mine") == set()
            process.kill()
        store.add_window("mine", operator(2), window(0))
        assert store.done("mine") == {(str(operator(2)), 0)}


def test_a_newer_store_is_left_alone(place: Place) -> None:
    with Store.open(place.address) as store:
        store.create("mine", PROVENANCE)
    place.execute("UPDATE sartor SET schema_version = 99; DROP TABLE quotations")
    complaint = rf"newer Sartor \(schema 99, this one reads {SCHEMA_VERSION}\)"
    with pytest.raises(StoreVersionError, match=complaint):
        Store.open(place.address)
    assert place.execute("SELECT schema_version FROM sartor") == [(99,)]
    with pytest.raises(Exception, match="quotations"):
        place.execute("SELECT * FROM quotations")
