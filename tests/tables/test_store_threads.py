"""Many threads at one store, as the collections of a fleet are."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from sartor.tables import Network, Store, Subject, Window
from sartor.tables.backends import backend
from sartor.tables.errors import StoreBusyError, StoreError
from sartor.tables.health import BatchHealth

from .children import PROVENANCE, operator, window
from .place import Place

DEVICES = 40


def test_many_collections_write_and_read_at_once(place: Place) -> None:
    """More than there are connections, each of which would time out in the pool."""

    def collect(number: int) -> int:
        name = f"device {number}"
        store.create(name, PROVENANCE)
        with store.device_lease(str(number), name), store.lease(name):
            for out in range(1, 6):
                found: dict[Subject, Window] = {
                    operator(10 * out + each): window(0, each) for each in range(1, 4)
                }
                store.add_windows(name, found, BatchHealth(0, 1.0))
                store.relative_errors(name)
        return len(store.load(name).windows)

    with Store.open(place.address) as store, ThreadPoolExecutor(DEVICES) as threads:
        assert list(threads.map(collect, range(DEVICES))) == [15] * DEVICES
        assert [table.windows for table in store.tables()] == [15] * DEVICES
        pool = store._database.engine.pool
        assert pool.checkedout() == 0  # type: ignore[attr-defined]
    assert place.execute("SELECT * FROM leases") == []


def test_a_batch_is_kept_whole_or_not_at_all(place: Place) -> None:
    network = Network("whole", (operator(1), operator(2)))
    with Store.open(place.address) as store:
        store.create("mine", PROVENANCE)
        store.add_failure("mine", operator(2), "it was hot")
        batch: dict[Subject, Window] = {
            operator(1): window(0),
            operator(2): window(0),
            network: window(0),
        }
        store.add_windows("mine", batch, BatchHealth(0, 1.0, warnings=("hot",)))
        before = store.load("mine")
        assert before.windows.keys() == batch.keys()
        assert before.failures == {}
        assert [each.warnings for each in before.health] == [("hot",)]
        with pytest.raises(StoreError, match=r"one of 2 windows, pass 1 of .*, is in"):
            store.add_windows(
                "mine", {operator(3): window(1), operator(1): window(0)}, BatchHealth(1, 1.0)
            )
        with pytest.raises(StoreError, match="with other operators"):
            store.add_windows(
                "mine", {operator(3): window(1), Network("whole", (operator(1),)): window(1)}
            )
        store.add_windows("mine", {}, BatchHealth(1, 2.0))
        after = store.load("mine")
    assert after.windows == before.windows
    assert len(after.health) == 2


def test_relative_errors_are_those_of_the_whole_table(place: Place) -> None:
    with Store.open(place.address) as store:
        store.create("mine", PROVENANCE)
        for index in range(3):
            found: dict[Subject, Window] = {
                operator(out): window(index, 100 + out * index) for out in range(1, 5)
            }
            store.add_windows("mine", found)
        store.add_window("mine", operator(9), window(0))
        errors, table = store.relative_errors("mine"), store.load("mine")
    assert errors.keys() == {str(subject) for subject in table.measurements}
    for subject, measured in table.measurements.items():
        assert errors[str(subject)] == pytest.approx(measured.relative_error, rel=1e-9)


def test_a_thread_that_holds_the_store_up_is_told_of(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(place.address) as store:
        store.create("mine", PROVENANCE)
        monkeypatch.setattr(backend, "LOCK_TIMEOUT_S", 0.05)
        with ThreadPoolExecutor(1) as thread, store._database.writing():
            call = thread.submit(store.add_window, "mine", operator(1), window(0))
            with pytest.raises(StoreBusyError, match="so many others wait there"):
                call.result()
        store.add_window("mine", operator(1), window(0))
