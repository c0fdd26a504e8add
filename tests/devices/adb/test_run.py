from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sartor.devices.adb import AdbDevice, process
from sartor.tables.errors import (
    CommandFailedError,
    ConnectionLostError,
    DeviceError,
    DeviceTimeoutError,
)

from ...real.adbd import Phone
from ...real.fault_adbd import FaultPhone, Faults

_IDLE = 2  # init and adbd
Maker = Callable[[Faults], tuple[FaultPhone, AdbDevice]]


def await_idle(phone: Phone) -> None:
    """Wait until nothing of ours runs on the phone any more."""
    deadline = time.monotonic() + 30
    while len(found := phone.processes()) > _IDLE:
        assert time.monotonic() < deadline, found
        time.sleep(0.01)


def test_a_program_that_does_not_end_is_killed_with_all_that_it_started(
    phone: Phone, device: AdbDevice
) -> None:
    script = "trap '' HUP TERM INT; sleep 61 & sleep 62"
    with pytest.raises(DeviceTimeoutError, match=r"sh on phone did not end within 0\.3 s"):
        device.run(["sh", "-c", script], timeout_s=0.3)
    await_idle(phone)


@pytest.mark.parametrize("signal", [6, 9, 11, 15])
def test_a_signal_is_told_by_minus_its_number(device: AdbDevice, signal: int) -> None:
    done = device.run(["sh", "-c", f"kill -{signal} $$"], timeout_s=10)
    assert (done.exit_code, done.stdout, done.stderr) == (-signal, "", "")


@pytest.mark.parametrize("code", [0, 1, 126, 127, 128, 193, 255])
def test_other_exit_codes_are_the_programs_own(device: AdbDevice, code: int) -> None:
    assert device.run(["sh", "-c", f"exit {code}"], timeout_s=10).exit_code == code


def test_what_may_not_be_run_is_an_error(device: AdbDevice) -> None:
    for program in ("/etc/passwd", "/data", ""):
        with pytest.raises(CommandFailedError, match=f"cannot start {program} on phone"):
            device.run([program], timeout_s=10)


def test_outputs_come_apart_and_unchanged(device: AdbDevice) -> None:
    script = (
        r"""printf 'a\r\nb\tc\\n\033[0m'; printf '\r\n' >&2; test -t 0 || test -t 1 || echo no"""
    )
    done = device.run(["sh", "-c", script], timeout_s=10)
    assert (done.stdout, done.stderr) == ("a\r\nb\tc\\n\033[0mno\n", "\r\n")


def test_a_program_has_nothing_to_read(device: AdbDevice) -> None:
    assert device.run(["cat"], timeout_s=10).stdout == ""


def test_much_output_comes_whole(device: AdbDevice) -> None:
    script = "head -c 3000000 /dev/zero | tr '\\0' x; head -c 2000000 /dev/zero | tr '\\0' y >&2"
    done = device.run(["sh", "-c", script], timeout_s=60)
    assert (done.stdout, done.stderr) == ("x" * 3_000_000, "y" * 2_000_000)


def test_too_much_output_ends_the_program(
    phone: Phone, device: AdbDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_MOST_BYTES", 1 << 20)
    with pytest.raises(DeviceError, match="cat on phone was killed: it prints more than 1 MiB"):
        device.run(["cat", "/dev/zero"], timeout_s=60)
    await_idle(phone)


def test_what_a_program_leaves_running_does_not_hold_us_up(phone: Phone, device: AdbDevice) -> None:
    script = "sleep 60 </dev/null >/dev/null 2>&1 & echo started"
    assert device.run(["sh", "-c", script], timeout_s=30).stdout == "started\n"
    device.run(["pkill", "sleep"], timeout_s=10)


@pytest.mark.parametrize("count", [60, 100, 150, 200, 5_000])
def test_a_connection_that_breaks_is_told_apart_and_comes_back(
    phone: Phone, device: AdbDevice, count: int
) -> None:
    device.run(["true"], timeout_s=10)
    phone.cable.cut_after(count, "from device")
    with pytest.raises(ConnectionLostError, match=r"connection to phone \(127.*broke while sh"):
        device.run(["sh", "-c", "while :; do echo abcdefgh; done"], timeout_s=30)
    await_idle(phone)
    assert device.run(["echo", "back"], timeout_s=10).stdout == "back\n"


def test_a_restart_of_the_phone_is_a_lost_connection(phone: Phone, device: AdbDevice) -> None:
    script = "echo x >/data/local/tmp/began; sleep 60"
    began = phone.path("/data/local/tmp/began")
    lost: list[BaseException] = []

    def run() -> None:
        try:
            device.run(["sh", "-c", script], timeout_s=50)
        except ConnectionLostError as error:
            lost.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    while not began.exists():
        time.sleep(0.01)
    phone.reboot()
    thread.join()
    assert lost
    assert device.run(["echo", "back"], timeout_s=10).stdout == "back\n"


def test_a_phone_that_falls_silent_is_a_lost_connection(
    phone: Phone, device: AdbDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sartor.devices.adb.connection._KILL_S", 0.5)
    device.run(["true"], timeout_s=10)
    phone.cable.hold()
    with pytest.raises(ConnectionLostError, match=r"no answer within 0\.5 s"):
        device.run(["true"], timeout_s=0.2)
    phone.cable.cut()
    assert device.run(["echo", "back"], timeout_s=10).stdout == "back\n"


def test_a_connection_that_broke_before_is_made_anew_unseen(
    phone: Phone, device: AdbDevice
) -> None:
    device.run(["true"], timeout_s=10)
    for _ in range(5):
        phone.cable.cut()
        assert device.run(["echo", "back"], timeout_s=10).stdout == "back\n"


def test_an_old_android_keeps_errors_apart_in_a_file(faulty: Maker) -> None:
    phone, device = faulty(Faults(features=("cmd",)))
    script = "echo out; echo err >&2; exit 3"
    done = device.run(["sh", "-c", script], timeout_s=10)
    assert (done.exit_code, done.stdout, done.stderr) == (3, "out\n", "err\n")
    assert phone.services[0].startswith("exec:")
    with pytest.raises(CommandFailedError, match="no-such-program"):
        device.run(["no-such-program"], timeout_s=10)
    with pytest.raises(DeviceTimeoutError, match="was killed"):
        device.run(["sleep", "60"], timeout_s=0.3)
    device.run(["true"], timeout_s=10)
    deadline = time.monotonic() + 10
    while left := list((phone.folder / "sartor").iterdir()):
        assert time.monotonic() < deadline, left
        time.sleep(0.01)
    phone.faults.cut_after = re.compile("exec")
    with pytest.raises(ConnectionLostError, match="broke while sh was running"):
        device.run(["sh", "-c", "echo a; sleep 1; echo b"], timeout_s=10)


def test_a_slow_phone_has_all_the_time_it_is_given(faulty: Maker) -> None:
    _, device = faulty(Faults(pause_s=0.15))
    assert device.run(["echo", "slow"], timeout_s=30).stdout == "slow\n"
    with pytest.raises(DeviceTimeoutError, match=r"echo on odd did not end within 0\.1 s"):
        device.run(["echo", "slow"], timeout_s=0.1)


def test_garbage_is_no_output(faulty: Maker, tmp_path: Path) -> None:
    phone, device = faulty(Faults())
    calls: list[Callable[[], object]] = [
        lambda: device.run(["echo", "x"], timeout_s=10),
        lambda: device.open_stream(["echo", "x"], {}),
        lambda: device.push(tmp_path / "sent", device.root / "file"),
        lambda: device.pull(device.root / "file", tmp_path / "got"),
    ]
    (tmp_path / "sent").write_text("sent")
    device.push(tmp_path / "sent", device.root / "file")
    for call in calls:
        phone.faults.garbage_at = re.compile("sync" if calls.index(call) > 1 else "shell")
        with pytest.raises((ConnectionLostError, DeviceError)):
            call()
        assert phone.faults.garbage_at is None
        assert device.run(["echo", "next"], timeout_s=10).stdout == "next\n"
    assert list((phone.folder / "sartor").iterdir()) == [phone.folder / "sartor" / "file"]
    assert not (tmp_path / "got").exists()
