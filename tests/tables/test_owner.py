from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select, update

from sartor.tables import Store, lease, owner
from sartor.tables.backends import Now
from sartor.tables.database import connect
from sartor.tables.errors import StoreBusyError
from sartor.tables.owner import SILENCE_S, Owner
from sartor.tables.schema import LEASES

from .children import PROVENANCE
from .place import Place

LONG_S = 1e9


def test_a_process_here_is_judged_by_its_id_alone() -> None:
    assert Owner.current().alive(LONG_S)
    assert Owner.current().pid == os.getpid()
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert not replace(Owner.current(), pid=process.pid).alive(0.0)


def test_a_process_id_that_was_used_again_is_another_process() -> None:
    assert not replace(Owner.current(), started="1").alive(0.0)


def test_a_process_of_another_user_is_alive() -> None:
    status = Path("/proc/1/stat").read_text().rpartition(")")[2].split()
    assert replace(Owner.current(), pid=1, started=status[19]).alive(LONG_S)


def test_a_process_elsewhere_is_judged_by_its_heartbeat() -> None:
    elsewhere = replace(Owner.current(), place="other boot namespace")
    assert elsewhere.host == "other"
    assert elsewhere.alive(SILENCE_S / 2)
    assert not elsewhere.alive(SILENCE_S * 2)


def elsewhere(place: Place, silent_s: float) -> None:
    """Make it look as if another host held the lease, and had been silent for so long."""
    silent = update(LEASES).values(place="other", heartbeat_at=Now() - silent_s)
    database = connect(place.address)
    with database.writing() as connection:
        connection.execute(silent)
    database.close()


def test_a_silent_owner_elsewhere_loses_the_lease_and_does_not_take_it_back(place: Place) -> None:
    with Store.open(place.address) as store, Store.open(place.address) as other:
        store.create("mine", PROVENANCE)
        with store.lease("mine"):
            elsewhere(place, SILENCE_S * 2)
            with other.lease("mine"):
                assert other.find("mine").windows == 0


def test_a_clock_that_is_wrong_takes_no_lease_of_the_living(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(place.address) as store:
        store.create("mine", PROVENANCE)
        with store.lease("mine"):
            elsewhere(place, SILENCE_S / 2)
            right = time.time()
            monkeypatch.setattr(time, "time", lambda: right + 3600)
            with pytest.raises(StoreBusyError, match="on other"), store.lease("mine"):
                pass


def test_a_clock_that_was_set_back_does_not_bring_the_dead_back_to_life(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a board without a battery, which began its day in the past after a power cut."""
    with Store.open(place.address) as store, Store.open(place.address) as other:
        store.create("mine", PROVENANCE)
        with store.lease("mine"):
            elsewhere(place, silent_s=-3600)
            for take in (other.lease("mine").__enter__, partial(other.remove, "mine")):
                with pytest.raises(StoreBusyError, match="on other"):  # it may well be alive
                    take()
            monkeypatch.setattr(owner, "SILENCE_S", 0.0)
            with other.lease("mine"):
                pass


def test_the_clock_of_the_database_tells_unix_time(place: Place) -> None:
    database = connect(place.address)
    with database.reading() as connection:
        before = time.time()
        told = connection.execute(select(Now())).scalar_one()
    database.close()
    assert told == pytest.approx(before, abs=30)


def test_the_holder_of_a_lease_shows_that_it_lives(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "HEARTBEAT_S", 0.001)
    beats: set[object] = set()
    with Store.open(place.address) as store:
        store.create("mine", PROVENANCE)
        with store.lease("mine"):
            while len(beats) < 3:
                beats |= set(place.execute("SELECT heartbeat_at FROM leases"))
