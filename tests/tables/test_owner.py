from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select, update

from sartor.tables import Store, lease
from sartor.tables.database import connect
from sartor.tables.owner import SILENCE_S, Owner
from sartor.tables.schema import LEASES

from .children import PROVENANCE

LONG_AGO = 0.0


def test_a_process_here_is_judged_by_its_id_alone() -> None:
    assert Owner.current().alive(LONG_AGO)
    assert Owner.current().pid == os.getpid()
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert not replace(Owner.current(), pid=process.pid).alive(time.time())


def test_a_process_id_that_was_used_again_is_another_process() -> None:
    assert not replace(Owner.current(), started="1").alive(time.time())


def test_a_process_of_another_user_is_alive() -> None:
    status = Path("/proc/1/stat").read_text().rpartition(")")[2].split()
    assert replace(Owner.current(), pid=1, started=status[19]).alive(LONG_AGO)


def test_a_process_elsewhere_is_judged_by_its_heartbeat() -> None:
    elsewhere = replace(Owner.current(), place="other boot namespace")
    assert elsewhere.host == "other"
    assert elsewhere.alive(time.time() - SILENCE_S / 2)
    assert not elsewhere.alive(time.time() - SILENCE_S * 2)


def test_a_silent_owner_elsewhere_loses_the_lease_and_does_not_take_it_back(
    tmp_path: Path,
) -> None:
    path = tmp_path / "store.db"
    with Store.open(path) as store, Store.open(path) as other:
        store.create("mine", PROVENANCE)
        with store.lease("mine"):
            silent = update(LEASES).values(place="other", heartbeat_at=LONG_AGO)
            engine = connect(path)
            with engine.begin() as connection:
                connection.execute(silent)
            engine.dispose()
            with other.lease("mine"):
                assert other.find("mine").windows == 0


def test_the_holder_of_a_lease_shows_that_it_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "HEARTBEAT_S", 0.001)
    engine = connect(tmp_path / "store.db")
    beats: set[float] = set()
    with Store.open(tmp_path / "store.db") as store:
        store.create("mine", PROVENANCE)
        with store.lease("mine"):
            while len(beats) < 3:
                with engine.begin() as connection:
                    beats |= set(connection.execute(select(LEASES.c.heartbeat_at)).scalars())
    engine.dispose()
