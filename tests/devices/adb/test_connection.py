from __future__ import annotations

import os
import re
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import pytest

from sartor.devices.adb import AdbClient, AdbDevice
from sartor.tables.errors import (
    ConnectionLostError,
    DeviceUnreachableError,
    FormatError,
    NotAuthorizedError,
)

from ...real.adbd import AdbServer, Phone
from ...real.fault_adbd import FaultPhone, Faults

Maker = Callable[[Faults], tuple[FaultPhone, AdbDevice]]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def test_a_phone_that_is_not_there_is_told_with_those_that_are(
    phone: Phone, device: AdbDevice
) -> None:
    device.run(["true"], timeout_s=10)
    with pytest.raises(DeviceUnreachableError) as raised:
        AdbDevice("mine", "R58M123ABC").run(["true"], timeout_s=10)
    assert "mine (R58M123ABC) is not there: adb sees " in str(raised.value)
    assert phone.serial in str(raised.value)


def test_each_of_several_phones_is_its_own(phone: Phone, device: AdbDevice, faulty: Maker) -> None:
    other, odd = faulty(Faults())
    (other.folder / "name").write_text("other")
    for _ in range(3):
        assert device.run(["getprop", "ro.product.model"], timeout_s=10).stdout == "Pixel 6\n"
        assert odd.run(["cat", "name"], timeout_s=10).stdout == "other"


def test_a_phone_asks_until_somebody_accepts(faulty: Maker) -> None:
    phone, device = faulty(Faults(asks=True))
    for call in (
        lambda: device.run(["true"], timeout_s=10),
        lambda: device.open_stream(["true"], {}),
    ):
        with pytest.raises(NotAuthorizedError, match=r"^odd \(127.*accept the dialogue 'Allow USB"):
            call()
    assert phone.services == []
    phone.faults.accepts = True
    assert device.run(["echo", "in"], timeout_s=10).stdout == "in\n"
    phone.cut()
    phone.faults.accepts = False  # it knows this computer now
    assert device.run(["echo", "in"], timeout_s=10).stdout == "in\n"


@pytest.mark.parametrize("faults", [Faults(silent=True), Faults(garbage=True)])
def test_a_phone_that_does_not_answer_is_told(
    faulty: Maker, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sartor.devices.adb.connection._CONNECT_S", 0.5)
    phone, device = faulty(faults)
    with pytest.raises(DeviceUnreachableError, match=r"connected but does not answer \(offline\)"):
        device.run(["true"], timeout_s=10)
    phone.faults = Faults()
    assert device.run(["echo", "back"], timeout_s=10).stdout == "back\n"


@pytest.mark.parametrize(
    ("banner", "says"),
    [
        ("recovery", "in recovery mode: start Android, with adb reboot"),
        ("sideload", "in sideload mode: start Android, with adb reboot"),
        ("bootloader", "in its bootloader: start Android, with fastboot reboot"),
    ],
)
def test_a_phone_without_android_running_is_told(faulty: Maker, banner: str, says: str) -> None:
    phone, device = faulty(Faults(banner=banner))
    with pytest.raises(DeviceUnreachableError, match=says):
        device.run(["true"], timeout_s=10)
    assert phone.services == []
    phone.cut()
    phone.faults.banner = "device"
    assert device.run(["echo", "back"], timeout_s=10).stdout == "back\n"


@pytest.mark.parametrize(
    ("serial", "says"),
    [
        ("127.0.0.1:{port}", "Connection refused; wake it, see that both are in the same network"),
        ("no-such-host.invalid:5555", "failed to resolve host"),
        ("127.0.0.1:99999", "bad port number"),
    ],
)
def test_why_there_is_no_connection_is_told_though_adb_exits_with_0(
    adb_server: AdbServer, serial: str, says: str
) -> None:
    device = AdbDevice("mine", serial.format(port=free_port()))
    with pytest.raises(DeviceUnreachableError, match=rf"cannot connect to mine \(.*{says}"):
        device.run(["true"], timeout_s=10)


def test_a_phone_that_is_unplugged_comes_back(faulty: Maker) -> None:
    phone, device = faulty(Faults())
    device.run(["true"], timeout_s=10)
    stream = device.open_stream(["cat"], {})
    phone.unplug()
    with pytest.raises(ConnectionLostError):
        stream.read_line(timeout_s=10)
    with pytest.raises(ConnectionLostError):
        stream.close()
    for _ in range(2):
        with pytest.raises(DeviceUnreachableError, match=r"odd \(127"):
            device.run(["true"], timeout_s=10)
    phone.plug()
    assert device.run(["echo", "back"], timeout_s=10).stdout == "back\n"


def test_adb_is_found_below_the_sdk_or_missed(
    phone: Phone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = AdbClient().program
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("ANDROID_HOME", raising=False)
    monkeypatch.delenv("ANDROID_SDK_ROOT", raising=False)
    device = AdbDevice("mine", phone.serial)
    with pytest.raises(DeviceUnreachableError, match="not installed; on Debian: apt-get install"):
        device.run(["true"], timeout_s=10)
    tools = tmp_path / "sdk" / "platform-tools"
    tools.mkdir(parents=True)
    (tools / "adb").symlink_to(real)
    monkeypatch.setenv("ANDROID_HOME", str(tmp_path / "sdk"))
    assert device.run(["echo", "found"], timeout_s=10).stdout == "found\n"


def test_an_adb_that_cannot_be_started_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "adb").write_bytes(b"\x7fELF, but no more")
    (tmp_path / "adb").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(free_port()))
    with pytest.raises(DeviceUnreachableError, match=r"adb cannot be started: .*install it again"):
        AdbDevice("mine", "R58M123ABC").run(["true"], timeout_s=10)


@contextmanager
def _listening(answer: bytes | None) -> Iterator[int]:
    """Answer whoever connects, once; None: stay silent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            end, _ = listener.accept()
            with end:
                end.recv(100)
                if answer is not None:
                    end.sendall(answer)
                else:
                    end.recv(100)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"OKAY00040020", r"is of version 32 and .*adb of version 41: have one adb for all"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "is no server of adb; end it, or choose another port"),
        (b"", "is no server of adb"),
        (None, r"does not answer \(timed out\); restart it: adb kill-server"),
    ],
)
def test_a_server_that_is_not_ours_is_told_and_left_alone(
    adb_server: AdbServer, monkeypatch: pytest.MonkeyPatch, answer: bytes | None, says: str
) -> None:
    monkeypatch.setattr("sartor.devices.adb.server._ASK_S", 0.5)
    with _listening(answer) as port:
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
        with pytest.raises(DeviceUnreachableError, match=rf"127\.0\.0\.1:{port} {says}"):
            AdbDevice("mine", "R58M123ABC").run(["true"], timeout_s=10)


def test_a_port_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", "adb")
    with pytest.raises(DeviceUnreachableError, match="ANDROID_ADB_SERVER_PORT is 'adb'"):
        AdbDevice("mine", "R58M123ABC").run(["true"], timeout_s=10)


def test_a_server_is_started_where_none_runs(
    phone: Phone, tmp_path: Path, adb_server: AdbServer
) -> None:
    environment = {**adb_server.environment, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    environment["ANDROID_ADB_SERVER_PORT"] = str(free_port())
    device = AdbDevice("mine", phone.serial, client=AdbClient(environment))
    try:
        done = device.run(["sh", "-c", "echo out; echo err >&2"], timeout_s=10)
        assert (done.stdout, done.stderr) == ("out\n", "err\n")
        assert (tmp_path / ".android" / "adbkey").exists()
    finally:
        stop = ["adb", "kill-server"]
        subprocess.run(stop, env={**os.environ, **environment}, check=True, capture_output=True)


def test_a_server_that_was_restarted_meanwhile_costs_one_attempt_at_most(
    phone: Phone, device: AdbDevice, adb_server: AdbServer
) -> None:
    command = ["sh", "-c", "echo out; echo err >&2"]
    device.run(["true"], timeout_s=10)
    adb_server.stop()
    adb_server.start()
    try:
        done = device.run(command, timeout_s=10)
    except ConnectionLostError:  # the new server may connect twice, and hang up in between
        done = device.run(command, timeout_s=10)
    assert (done.stdout, done.stderr) == ("out\n", "err\n")


def test_a_server_that_dies_meanwhile_is_a_lost_connection(
    phone: Phone, device: AdbDevice, adb_server: AdbServer
) -> None:
    stream = device.open_stream(["cat"], {})
    adb_server.stop()
    with pytest.raises(ConnectionLostError, match="broke while cat was running"):
        stream.read_line(timeout_s=10)
    adb_server.start()
    with pytest.raises(ConnectionLostError):
        stream.close()
    assert device.run(["echo", "back"], timeout_s=10).stdout == "back\n"


@pytest.mark.parametrize("serial", ["", "-d", "two words", "a\nb", "a\0b"])
def test_what_is_no_serial_is_refused(serial: str) -> None:
    with pytest.raises(FormatError, match="cannot be a phone's serial; adb devices lists them"):
        AdbDevice("mine", serial)


@pytest.mark.parametrize(
    "root", ["relative/sartor", "/", "/data/local/tmp", "/data/../sartor/..", "/sdcard"]
)
def test_a_root_that_others_may_use_is_refused(root: str) -> None:

    with pytest.raises(FormatError, match=re.escape(f"{root} cannot be the folder for our files")):
        AdbDevice("mine", "S1", root=PurePosixPath(root))
