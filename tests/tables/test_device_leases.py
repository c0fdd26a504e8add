"""One process at a time times on a device, of all that share a store."""

from __future__ import annotations

import threading

import pytest

from sartor.tables import Store, lease
from sartor.tables.errors import DeviceBusyError
from sartor.tables.owner import SILENCE_S

from .children import PROVENANCE, child, lines_of
from .place import Place

MACHINE = "4c6f6e64-6f6e-4361-6c6c-696e67212121"


def test_a_device_of_the_living_is_left_alone_and_one_of_the_dead_taken_over(place: Place) -> None:
    with Store.open(place.address) as store, child("hold_device", place.address, MACHINE) as other:
        assert next(lines_of(other)) == "held"
        complaint = rf"my phone is being timed by process {other.pid} on .*wait for it or end it"
        with (
            pytest.raises(DeviceBusyError, match=complaint),
            store.device_lease(MACHINE, "my phone"),
        ):
            pass
        with store.device_lease("another machine", "board"):
            pass
        other.kill()
        other.wait()
        with store.device_lease(MACHINE, "my phone"):
            assert len(place.execute("SELECT * FROM device_leases")) == 1
        assert place.execute("SELECT * FROM device_leases") == []


def test_a_host_that_fell_silent_loses_its_device(place: Place) -> None:
    with (
        Store.open(place.address) as store,
        Store.open(place.address) as other,
        store.device_lease(MACHINE, "phone"),
    ):
        moved = "UPDATE device_leases SET place = 'elsewhere boot pid', heartbeat_at = heartbeat_at"
        place.execute(f"{moved} - {SILENCE_S / 2}")
        with (
            pytest.raises(DeviceBusyError, match=r"on elsewhere.*ends after 60 s of silence"),
            other.device_lease(MACHINE, "phone"),
        ):
            pass
        place.execute(f"{moved} - {SILENCE_S}")
        with other.device_lease(MACHINE, "phone"):
            pass


def test_one_process_with_two_names_for_a_device_is_told_so(place: Place) -> None:
    with (
        Store.open(place.address) as store,
        store.device_lease(MACHINE, "pi4"),
        pytest.raises(DeviceBusyError, match=r"board is .* which is this one, perhaps under"),
        store.device_lease(MACHINE, "board"),
    ):
        pass


def test_one_heart_beats_for_all_and_stops_with_the_last(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "HEARTBEAT_S", 0.001)

    def hearts() -> int:
        return sum(thread.name == "heart" for thread in threading.enumerate())

    before = hearts()
    with Store.open(place.address) as store:
        store.create("mine", PROVENANCE)
        with store.lease("mine"), store.device_lease(MACHINE, "phone"):
            assert hearts() == before + 1
            for table in ("leases", "device_leases"):
                beats: set[object] = set()
                while len(beats) < 3:
                    beats |= set(place.execute(f"SELECT heartbeat_at FROM {table}"))
        assert hearts() == before
