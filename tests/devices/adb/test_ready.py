from __future__ import annotations

from pathlib import Path

import pytest

from sartor.devices import LocalDevice
from sartor.devices.adb import AdbDevice
from sartor.devices.patient import patient
from sartor.devices.ready import kept_ready
from sartor.devices.stoppable import Stop, StoppableDevice
from sartor.tables.errors import StoppedError

from ...real.adbd import AdbServer, Phone, running_phone
from .test_awake import state


def test_a_phone_is_kept_awake_whatever_is_around_its_device(
    phone: Phone, device: AdbDevice
) -> None:
    stop, said = Stop(), list[str]()
    stoppable = StoppableDevice(patient(device), stop)

    def work() -> None:
        with kept_ready(stoppable, said.append) as facts:
            assert facts == (("fixed_performance", "on"),)
            assert (state(phone, "wakefulness"), state(phone, "fixed")) == ("Awake", "true")
            stop.ask()
            stoppable.stop.check()

    with pytest.raises(StoppedError):
        work()
    assert (state(phone, "wakefulness"), state(phone, "fixed")) == ("Asleep", "false")
    assert said == []


def test_what_a_phone_does_not_take_part_in_is_told(
    adb_server: AdbServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sartor.devices.adb.awake._WAKES_WITHIN_S", 0.3)
    said: list[str] = []
    with running_phone(tmp_path, model="miui10") as phone:
        with kept_ready(AdbDevice("redmi", phone.serial), said.append) as facts:
            assert facts == (("fixed_performance", "off"),)
            assert len(said) == 4
        assert len(said) == 4


def test_other_devices_stay_as_they_are(tmp_path: Path) -> None:
    device = LocalDevice(tmp_path / "device")
    with kept_ready(device, pytest.fail) as facts:
        assert facts == ()
    assert not (tmp_path / "device").exists()
