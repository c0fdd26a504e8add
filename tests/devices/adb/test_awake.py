from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sartor.devices.adb import AdbDevice, kept_awake, remove_everything, restore
from sartor.tables.errors import ConnectionLostError, DeviceError

from ...real.adbd import AdbServer, Phone, running_phone

_SETTING = "setting.stay_on_while_plugged_in"


def state(phone: Phone, name: str) -> str:
    """What the phone remembers."""
    path = phone.folder / "data" / "phone" / name
    return path.read_text().strip() if path.exists() else ""


def set_before(phone: Phone, **values: str) -> None:
    for name, value in values.items():
        path = phone.folder / "data" / "phone" / name.replace("setting_", "setting.")
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{value}\n")
        os.chown(path.parent, 2000, 2000)
        os.chown(path, 2000, 2000)


@pytest.mark.parametrize("before", ["0", "3", "null"])
def test_it_is_awake_and_fast_meanwhile_and_as_before_afterwards(
    phone: Phone, device: AdbDevice, before: str
) -> None:
    if before != "null":
        set_before(phone, setting_stay_on_while_plugged_in=before)
    said: list[str] = []
    with kept_awake(device, said.append) as made:
        assert (made.stays_awake, made.fixed_performance, made.remarks) == (True, True, ())
        assert made.pairs == (("fixed_performance", "on"),)
        assert (state(phone, _SETTING), state(phone, "wakefulness")) == ("7", "Awake")
        assert state(phone, "fixed") == "true"
    assert (state(phone, _SETTING) or "null") == before
    assert (state(phone, "wakefulness"), state(phone, "fixed")) == ("Asleep", "false")
    assert list(phone.path(device.root).iterdir()) == []
    assert said == []


def test_a_phone_that_was_awake_is_not_put_to_sleep(phone: Phone, device: AdbDevice) -> None:
    set_before(phone, wakefulness="Awake")
    with kept_awake(device, print):
        pass
    assert state(phone, "wakefulness") == "Awake"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, DeviceError])
def test_it_is_restored_when_we_are_interrupted(
    phone: Phone, device: AdbDevice, error: type[BaseException]
) -> None:
    with pytest.raises(error), kept_awake(device, print):
        raise error
    assert (state(phone, _SETTING), state(phone, "fixed")) == ("", "false")


_KILLED = """
import os, signal, sys
from sartor.devices.adb import AdbDevice, kept_awake
with kept_awake(AdbDevice("phone", sys.argv[1]), print):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_run_left_is_restored_by_the_next(phone: Phone, device: AdbDevice) -> None:
    set_before(phone, setting_stay_on_while_plugged_in="3")
    killed = subprocess.run([sys.executable, "-c", _KILLED, phone.serial], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (state(phone, _SETTING), state(phone, "fixed")) == ("7", "true")
    phone.reboot()
    with kept_awake(device, print):
        assert state(phone, _SETTING) == "7"
    assert (state(phone, _SETTING), state(phone, "wakefulness")) == ("3", "Asleep")
    assert not restore(device)


def test_a_lost_connection_leaves_it_to_the_next_run_and_says_so(
    phone: Phone, device: AdbDevice
) -> None:
    said: list[str] = []
    with kept_awake(device, said.append):
        phone.cable.pull()
    assert len(said) == 1
    assert said[0].startswith("phone stays awake, and perhaps in fixed performance mode, until")
    phone.cable.plug()
    assert state(phone, _SETTING) == "7"
    assert restore(device)
    assert state(phone, _SETTING) == ""
    assert not restore(device)


def test_an_interrupted_connection_does_not_hide_what_happened(
    phone: Phone, device: AdbDevice
) -> None:
    said: list[str] = []

    def lose() -> None:
        phone.cable.pull()
        raise ConnectionLostError("mine")

    with pytest.raises(ConnectionLostError, match="mine"), kept_awake(device, said.append):
        lose()
    assert len(said) == 1


def test_two_restore_nothing_twice(phone: Phone, device: AdbDevice) -> None:
    set_before(phone, setting_stay_on_while_plugged_in="1")
    with kept_awake(device, print):
        assert restore(device)
        set_before(phone, setting_stay_on_while_plugged_in="2")  # the user, meanwhile
    assert state(phone, _SETTING) == "2"


@pytest.mark.parametrize(
    "note", ["", "no json", "[]", '{"stay_on": "0"}', '{"stay_on": "0; reboot", "asleep": true}']
)
def test_a_note_that_makes_no_sense_restores_nothing(
    phone: Phone, device: AdbDevice, note: str
) -> None:
    set_before(phone, setting_stay_on_while_plugged_in="1")
    device.run(["mkdir", "-p", str(device.root)], timeout_s=10)
    path = phone.path(device.root / "awake.json")
    path.write_text(note)
    os.chown(path, 2000, 2000)
    assert not restore(device)
    assert state(phone, _SETTING) == "1"
    assert not path.exists()


@pytest.fixture
def reluctant(
    adb_server: AdbServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Phone, AdbDevice]]:
    """A phone of a maker that lets adb change nothing, on Android 10, unplugged."""
    with running_phone(tmp_path_factory.mktemp("miui"), model="miui10") as phone:
        yield phone, AdbDevice("redmi", phone.serial)


def test_each_refusal_is_told(
    reluctant: tuple[Phone, AdbDevice], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sartor.devices.adb.awake._WAKES_WITHIN_S", 0.3)
    phone, device = reluctant
    said: list[str] = []
    with kept_awake(device, said.append) as made:
        assert (made.stays_awake, made.fixed_performance) == (False, False)
        assert made.pairs == (("fixed_performance", "off"),)
        stay, wake, plug, fixed = made.remarks
    assert "redmi may fall asleep: it refuses to stay awake (java.lang.SecurityExc" in stay
    assert "USB debugging (Security settings)" in stay
    assert "redmi does not wake up (java.lang.SecurityException: Injecting" in wake
    assert plug == "redmi is not plugged in, so it may fall asleep: plug it in"
    assert fixed == "redmi has no fixed performance mode: that came with Android 11"
    assert said == []
    assert list(phone.path(device.root).iterdir()) == []


_NO_HAL = """Failed to set FIXED_PERFORMANCE mode
This is likely because Power HAL AIDL is not implemented on this device"""


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        (_NO_HAL, 255, "its maker did not build it in"),
        ("No shell command implementation.", 0, "that came with Android 11"),
        ("cmd: Can't find service: power", 20, "that came with Android 11"),
        (
            "java.lang.SecurityException: no",
            255,
            r"refuses fixed .* \(java.lang.*no\); in",
        ),
    ],
)
def test_why_there_is_no_fixed_performance_mode_is_told(
    adb_server: AdbServer, tmp_path: Path, text: str, code: int, says: str
) -> None:
    refuses = tmp_path / "model" / "refuses"
    refuses.mkdir(parents=True)
    (refuses / "cmd.txt").write_text(f"{text}\n")
    (refuses / "cmd.exit").write_text(f"{code}\n")
    (tmp_path / "model").chmod(0o755)
    (tmp_path / "phone").mkdir()
    with running_phone(tmp_path / "phone", model=str(tmp_path / "model")) as phone:
        device = AdbDevice("mine", phone.serial)
        with kept_awake(device, print) as made:
            assert not made.fixed_performance
            assert re.search(says, "|".join(made.remarks))


def test_nothing_of_ours_is_left_and_nothing_else_is_deleted(
    phone: Phone, device: AdbDevice, tmp_path: Path
) -> None:
    subprocess.run([sys.executable, "-c", _KILLED, phone.serial], check=False)
    sent = tmp_path / "sent"
    sent.write_text("x")
    device.push(sent, device.root / "a" / "b" / "file")
    others = phone.path("/data/local/tmp/others")
    others.mkdir()
    (others / "file").write_text("theirs")
    phone.path(device.root / "link").symlink_to("/data/local/tmp/others")
    remove_everything(device)
    assert [path.name for path in phone.path("/data/local/tmp").iterdir()] == ["others"]
    assert (others / "file").read_text() == "theirs"
    assert (state(phone, _SETTING), state(phone, "fixed")) == ("", "false")
    remove_everything(device)


def test_what_cannot_be_deleted_is_told(phone: Phone, device: AdbDevice) -> None:
    device.run(["mkdir", "-p", str(device.root / "locked")], timeout_s=10)
    locked = phone.path(device.root / "locked")
    (locked / "file").write_text("root's")
    os.chown(locked, 0, 0)
    locked.chmod(0o755)
    with pytest.raises(
        DeviceError, match=r"cannot delete /data/local/tmp/sartor on phone: .*denied"
    ):
        remove_everything(device)
