from __future__ import annotations

import os
import re
import stat
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from sartor.devices.adb import AdbDevice, transfer
from sartor.tables.errors import ConnectionLostError, DeviceError

from ...real.adbd import AdbServer, Phone, running_phone
from ...real.fault_adbd import FaultPhone, Faults

Maker = Callable[[Faults], tuple[FaultPhone, AdbDevice]]


@pytest.fixture
def big(tmp_path: Path) -> Path:
    path = tmp_path / "big"
    path.write_bytes(os.urandom(3_000_000))
    return path


def names(device: AdbDevice, folder: str = "") -> list[str]:
    listed = device.run(["ls", "-A", str(device.root / folder)], timeout_s=30).stdout
    return listed.splitlines()


def test_names_pass_no_shell(phone: Phone, device: AdbDevice, tmp_path: Path) -> None:
    sent, got = tmp_path / "-n it's $HOME; *", tmp_path / "-got é"
    sent.write_text("x")
    remote = device.root / "-p a b" / "it's; $(reboot) *?é"
    device.push(sent, remote)
    assert list(phone.path(remote.parent).iterdir()) == [phone.path(remote)]
    device.pull(remote, got)
    assert got.read_text() == "x"


def test_what_may_be_run_here_may_be_run_there(device: AdbDevice, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/system/bin/sh\necho ran\n")
    program.chmod(0o755)
    device.push(program, device.root / "program")
    assert device.run([str(device.root / "program")], timeout_s=10).stdout == "ran\n"


def test_its_folder_is_private(phone: Phone, device: AdbDevice, big: Path) -> None:
    device.push(big, device.root / "new" / "big")
    for folder in (device.root, device.root / "new"):
        assert stat.S_IMODE(phone.path(folder).stat().st_mode) == 0o700


@pytest.mark.parametrize("count", [100_000, 2_000_000, 3_000_100])
def test_a_push_that_is_cut_leaves_the_old_file_and_is_repeated(
    phone: Phone, device: AdbDevice, big: Path, tmp_path: Path, count: int
) -> None:
    old = tmp_path / "old"
    old.write_text("old")
    device.push(old, device.root / "file")
    phone.cable.cut_after(count, "to device")
    with pytest.raises(ConnectionLostError, match=r"connection to phone \(127"):
        device.push(big, device.root / "file")
    assert phone.path(device.root / "file").read_text() == "old"
    device.push(big, device.root / "file")
    assert phone.path(device.root / "file").read_bytes() == big.read_bytes()
    assert names(device) == ["file"]


@pytest.mark.parametrize("count", [100, 1_000])
def test_a_push_that_is_cut_before_it_begins_may_be_repeated_unasked(
    phone: Phone, device: AdbDevice, big: Path, tmp_path: Path, count: int
) -> None:
    """Whether adb can tell that nothing has reached the phone is a matter of who is faster."""
    old = tmp_path / "old"
    old.write_text("old")
    device.push(old, device.root / "file")
    phone.cable.cut_after(count, "to device")
    try:
        device.push(big, device.root / "file")
    except ConnectionLostError:
        assert phone.path(device.root / "file").read_text() == "old"
        device.push(big, device.root / "file")
    assert phone.path(device.root / "file").read_bytes() == big.read_bytes()
    assert names(device) == ["file"]


@pytest.mark.parametrize("count", [100, 200, 1_000, 100_000, 2_000_000])
def test_a_pull_that_is_cut_leaves_the_old_file_and_is_repeated(
    phone: Phone, device: AdbDevice, big: Path, tmp_path: Path, count: int
) -> None:
    device.push(big, device.root / "file")
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "got").write_text("old")
    phone.cable.cut_after(count, "from device")
    with pytest.raises(ConnectionLostError, match=r"connection to phone \(127"):
        device.pull(device.root / "file", folder / "got")
    assert (folder / "got").read_text() == "old"
    device.pull(device.root / "file", folder / "got")
    assert (folder / "got").read_bytes() == big.read_bytes()
    assert list(folder.iterdir()) == [folder / "got"]


def test_a_full_phone_keeps_the_old_file(
    adb_server: AdbServer, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, big: Path
) -> None:
    with running_phone(tmp_path_factory.mktemp("small"), space="1m") as phone:
        device = AdbDevice("small", phone.serial)
        old = tmp_path / "old"
        old.write_text("old")
        device.push(old, device.root / "file")
        with pytest.raises(DeviceError, match=r"cannot copy .*big to .*No space left.*free space"):
            device.push(big, device.root / "file")
        assert phone.path(device.root / "file").read_text() == "old"
        assert names(device) == ["file"]


def test_what_a_full_phone_leaves_half_written_is_removed(faulty: Maker, big: Path) -> None:
    phone, device = faulty(Faults(full=True))
    with pytest.raises(DeviceError, match="No space left on device; check free space"):
        device.push(big, device.root / "file")
    assert list((phone.folder / "sartor").iterdir()) == []


def test_parts_that_a_killed_run_left_are_removed_after_a_day(
    phone: Phone, device: AdbDevice, big: Path
) -> None:
    device.push(big, device.root / "file")
    now = time.time()
    ages_s = {"a.0123abcd.part": 3 * 86400, "b.0123abcd.part": 60, "mine.part": 3 * 86400}
    for name, age_s in ages_s.items():
        phone.path(device.root / name).write_text("half")
        os.utime(phone.path(device.root / name), (now - age_s, now - age_s))
        os.chown(phone.path(device.root / name), 2000, 2000)
    device.push(big, device.root / "file")
    assert names(device) == ["b.0123abcd.part", "file", "mine.part"]


def test_a_folder_is_not_replaced_by_a_file(device: AdbDevice, big: Path) -> None:
    device.push(big, device.root / "folder" / "file")
    with pytest.raises(DeviceError, match=r"cannot copy .*: that is a folder"):
        device.push(big, device.root / "folder")
    assert names(device) == ["folder"]
    assert names(device, "folder") == ["file"]


def test_a_folder_is_no_file(device: AdbDevice, big: Path, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"cannot copy .*Is a directory"):
        device.push(tmp_path, device.root / "x")
    device.push(big, device.root / "folder" / "file")
    with pytest.raises(DeviceError, match=r"cannot copy .*: there is no such file"):
        device.pull(device.root / "folder", tmp_path / "got")
    assert not (tmp_path / "got").exists()


def test_where_nobody_may_write_nothing_is_pushed(device: AdbDevice, big: Path) -> None:
    with pytest.raises(DeviceError, match=r"cannot copy .* to /system/sartor/big: .*Read-only"):
        device.push(big, device.root.parents[3] / "system" / "sartor" / "big")


def test_a_file_may_be_pushed_by_two_at_once(
    phone: Phone, device: AdbDevice, tmp_path: Path
) -> None:
    contents = [bytes([number]) * 200_000 for number in range(2)]

    def push(number: int) -> None:
        mine = AdbDevice(f"phone{number}", phone.serial)
        (tmp_path / str(number)).write_bytes(contents[number])
        for _ in range(5):
            mine.push(tmp_path / str(number), mine.root / "file")

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(push, range(2)))
    assert phone.path(device.root / "file").read_bytes() in contents
    assert names(device) == ["file"]


def test_what_arrives_damaged_is_not_taken(
    phone: Phone, device: AdbDevice, big: Path, tmp_path: Path
) -> None:
    device.push(big, device.root / "file")
    meddling = threading.Event()

    def meddle() -> None:  # on the phone, with every part that comes
        while not meddling.is_set():
            for part in phone.path(device.root).glob("*.part"):
                with suppress(FileNotFoundError), part.open("r+b") as file:
                    file.write(b"other")

    thread = threading.Thread(target=meddle)
    thread.start()
    try:
        other = tmp_path / "other"
        other.write_bytes(bytes(20_000_000))
        with pytest.raises(DeviceError, match="20000000 bytes arrived for 20000000, or they diff"):
            device.push(other, device.root / "file")
    finally:
        meddling.set()
        thread.join()
    assert phone.path(device.root / "file").read_bytes() == big.read_bytes()
    assert names(device) == ["file"]


class _Growing(AdbDevice):
    """The file is exchanged for an endless one between the question for its size and the copy."""

    phone: Phone

    def copy(
        self, arguments: Sequence[str], timeout_s: float, watch: Callable[[], None] | None = None
    ) -> None:
        file = self.phone.path(arguments[1])
        file.unlink()
        file.symlink_to("/dev/zero")
        super().copy(arguments, timeout_s, watch)


def test_a_file_without_an_end_is_not_taken(
    phone: Phone, device: AdbDevice, big: Path, tmp_path: Path
) -> None:
    device.push(big, device.root / "grows")
    growing = _Growing("phone", phone.serial)
    growing.phone = phone
    folder = tmp_path / "here"
    with pytest.raises(DeviceError, match="more than its 3000000 bytes come"):
        growing.pull(device.root / "grows", folder / "got")
    assert list(folder.iterdir()) == []


def test_a_phone_that_gives_no_sums_is_not_believed() -> None:
    for text in ("", "3\n", "x\n" + "0" * 64, "3\n" + "g" * 64, "3\n" + "0" * 63 + " x"):
        with pytest.raises(DeviceError, match="gives no size and no SHA-256"):
            transfer._parse_sum(text)


def test_a_copy_is_cut_in_the_service_itself(faulty: Maker, big: Path, tmp_path: Path) -> None:
    for fault in ("cut_at", "cut_after"):
        phone, device = faulty(Faults())
        setattr(phone.faults, fault, re.compile("sync"))
        with pytest.raises(ConnectionLostError, match="broke while a file was copied"):
            device.push(big, device.root / "file")
        device.push(big, device.root / "file")
        setattr(phone.faults, fault, re.compile("sync"))
        with pytest.raises(ConnectionLostError, match="broke while a file was copied"):
            device.pull(device.root / "file", tmp_path / "got")
        device.pull(device.root / "file", tmp_path / "got")
        assert (tmp_path / "got").read_bytes() == big.read_bytes()
        assert [path.name for path in (phone.folder / "sartor").iterdir()] == ["file"]
