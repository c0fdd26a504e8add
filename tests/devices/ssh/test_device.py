from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import pytest

pytest.importorskip("paramiko", reason="pip install 'sartor[ssh]'")

from sartor.devices import Device
from sartor.devices.ssh import SshAddress, SshDevice, own_known_hosts
from sartor.tables.errors import (
    CommandFailedError,
    ConnectionLostError,
    DeviceError,
    DeviceTimeoutError,
    DeviceUnreachableError,
)
from sartor.tests.devices.contract import DeviceContract, is_running, wait_for
from sartor.tests.real.sshd import Sshd, running_sshd, why_no_sshd

from .conftest import Client

pytestmark = pytest.mark.skipif(bool(why_no_sshd()), reason=why_no_sshd())


class TestSshDevice(DeviceContract):
    @pytest.fixture
    def device(self, sshd: Sshd, client: Client) -> Iterator[Device]:
        device = client.device(sshd)
        yield device
        device.run(["rm", "-rf", str(device.root)], timeout_s=10)
        device.close()


def test_it_connects_only_when_it_has_to() -> None:
    device = SshDevice("pi4", SshAddress("no-such-host.invalid"), PurePosixPath("/data"))
    assert (device.name, device.remote, device.python) == ("pi4", True, "python3")
    assert device.root == PurePosixPath("/data")
    with pytest.raises(DeviceUnreachableError, match=r"cannot connect to .*no-such-host\.invalid"):
        device.run(["true"], timeout_s=10)


def test_sartor_keeps_its_own_known_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/somewhere")
    assert own_known_hosts() == Path("/somewhere/sartor/known_hosts")
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert own_known_hosts() == Path("/home/me/.config/sartor/known_hosts")


def test_its_files_lie_below_its_own_cache_folder(sshd: Sshd, client: Client) -> None:
    assert str(client.device(sshd).root) == f"{sshd.home}/.cache/sartor/device"


def test_an_exit_code_that_looks_like_a_signal_is_none(sshd: Sshd, client: Client) -> None:
    device = client.device(sshd)
    assert device.run(["sh", "-c", "exit 137"], timeout_s=10).exit_code == 137
    assert device.run(["sh", "-c", "exit 255"], timeout_s=10).exit_code == 255


def test_what_cannot_be_started_says_why(sshd: Sshd, client: Client, tmp_path: Path) -> None:
    device = client.device(sshd)
    (tmp_path / "text").write_text("x")
    device.push(tmp_path / "text", device.root / "text")
    for program in (device.root / "text", device.root):
        with pytest.raises(CommandFailedError, match=rf"cannot start {program}: Permission denied"):
            device.run([str(program)], timeout_s=10)
    with pytest.raises(
        CommandFailedError, match=r"200011 bytes long|bytes long, and 131071 can be"
    ):
        device.run(["echo", "x" * 200_000], timeout_s=10)
    assert device.run(["echo", "next"], timeout_s=10).stdout == "next\n"


def test_a_shell_that_greets_is_not_taken_for_the_program(own_sshd: Sshd, client: Client) -> None:
    (own_sshd.folder / "greeting").write_text("echo welcome; echo beware >&2\n")
    own_sshd.stop()
    own_sshd.settings = f'ForceCommand . {own_sshd.folder}/greeting; eval "$SSH_ORIGINAL_COMMAND"'
    own_sshd.start()
    device = client.device(own_sshd)
    done = device.run(["sh", "-c", "echo out; echo err >&2; exit 3"], timeout_s=10)
    assert (done.exit_code, done.stdout, done.stderr) == (3, "out\n", "err\n")
    sent, got = client.folder / "sent", client.folder / "got"
    sent.write_bytes(bytes(range(256)))
    device.push(sent, device.root / "file")
    device.pull(device.root / "file", got)
    assert got.read_bytes() == sent.read_bytes()
    stream = device.open_stream(["cat"], {})
    stream.send_line("line")
    assert stream.read_line(timeout_s=10) == "line"
    assert stream.close() == 0
    assert stream.last_words() == ""


def test_an_account_that_runs_nothing_says_so(client: Client) -> None:
    with running_sshd("ForceCommand echo This account is not available.; exit 1") as server:
        device = client.device(server)
        with pytest.raises(CommandFailedError, match=r"runs no command .*not available"):
            device.run(["true"], timeout_s=10)


def test_files_need_no_sftp(client: Client, tmp_path: Path) -> None:
    with running_sshd("Subsystem sftp /bin/false") as server:
        device = client.device(server)
        (tmp_path / "sent").write_text("content")
        device.push(tmp_path / "sent", device.root / "file")
        device.pull(device.root / "file", tmp_path / "got")
        assert (tmp_path / "got").read_text() == "content"


def test_a_server_that_allows_one_session_kills_all_the_same(client: Client) -> None:
    with running_sshd("MaxSessions 1", is_of_root=True) as server:
        if not server.is_private:
            pytest.skip("only a server of root's kills programs of others, as it is asked")
        device = client.device(server)
        stream = device.open_stream(["sleep", "600"], {})
        with pytest.raises(DeviceError, match="MaxSessions"):
            device.run(["true"], timeout_s=10)
        stream.kill()
        assert stream.close() == -9
        assert wait_for(lambda: not server.program_pids())


def test_many_threads_share_one_connection(own_sshd: Sshd, client: Client) -> None:
    device = client.device(own_sshd)

    def ask(number: int) -> str:
        return device.run(["echo", str(number)], timeout_s=60).stdout

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, range(40)))
    assert answers == [f"{number}\n" for number in range(40)]
    assert own_sshd.log.count("Accepted publickey") == 1


def test_nothing_is_left_open(own_sshd: Sshd, client: Client) -> None:
    device = client.device(own_sshd)

    def use() -> None:
        device.run(["true"], timeout_s=10)
        device.open_stream(["cat"], {}).close()
        with pytest.raises(DeviceTimeoutError):
            device.run(["sleep", "60"], timeout_s=0.1)
        with pytest.raises(CommandFailedError):
            device.run(["no-such-program"], timeout_s=10)

    use()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        use()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
    device.close()
    assert wait_for(lambda: not own_sshd.session_pids())
    assert own_sshd.program_pids() == []


def test_a_device_that_is_forgotten_hangs_up(
    own_sshd: Sshd, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sartor.devices.ssh.watch._TICK_S", 0.02)
    device = client.device(own_sshd)
    device.run(["true"], timeout_s=10)
    assert own_sshd.session_pids()
    time.sleep(0.7)  # the thread that watches it has looked at it more than once
    del device
    assert wait_for(lambda: not own_sshd.session_pids())


class TestCut:
    """The connection breaks at every step; the next call makes a new one."""

    @pytest.fixture
    def device(self, own_sshd: Sshd, client: Client) -> Iterator[SshDevice]:
        device = client.device(own_sshd)
        yield device
        device.close()

    def test_between_two_calls(self, own_sshd: Sshd, device: SshDevice) -> None:
        device.run(["true"], timeout_s=10)
        own_sshd.cut()
        # Whether that was noticed in time or not, the second attempt succeeds at the latest.
        try:
            done = device.run(["echo", "x"], timeout_s=10)
        except ConnectionLostError:
            done = device.run(["echo", "x"], timeout_s=10)
        assert done.stdout == "x\n"

    def test_while_a_program_runs(self, own_sshd: Sshd, device: SshDevice) -> None:
        with ThreadPoolExecutor(1) as threads:
            running = threads.submit(device.run, ["sleep", "600"], 60)
            assert wait_for(lambda: bool(own_sshd.program_pids()))
            own_sshd.cut()
            with pytest.raises(ConnectionLostError, match=r"connection to pi4 broke: .*may have"):
                running.result()
        assert device.run(["echo", "x"], timeout_s=10).stdout == "x\n"

    def test_while_a_stream_is_read(self, own_sshd: Sshd, device: SshDevice) -> None:
        stream = device.open_stream(["cat"], {})
        stream.send_line("line")
        assert stream.read_line(timeout_s=10) == "line"
        with ThreadPoolExecutor(1) as threads:
            reading = threads.submit(stream.read_line, 60)
            own_sshd.cut()
            with pytest.raises(ConnectionLostError):
                reading.result()
        with pytest.raises(ConnectionLostError):
            stream.send_line("anybody?")
        with pytest.raises(ConnectionLostError):
            stream.read_line(timeout_s=10)
        stream.kill()
        for _ in range(2):
            with pytest.raises(ConnectionLostError):
                stream.close()

    @pytest.mark.parametrize("way", ["push", pytest.param("pull", marks=pytest.mark.slow)])
    def test_while_a_file_travels(
        self, own_sshd: Sshd, device: SshDevice, tmp_path: Path, way: str
    ) -> None:
        small, large, got = tmp_path / "small", tmp_path / "large", tmp_path / "got"
        small.write_bytes(b"old")
        with large.open("wb") as file:
            file.truncate(1 << 28)
        device.push(small, device.root / "folder" / "file")
        device.push(small, device.root / "folder" / "source")
        source = str(device.root / "folder" / "source")
        device.run(["truncate", "-s", "256M", source], timeout_s=10)
        with ThreadPoolExecutor(1) as threads:
            if way == "push":
                copy = threads.submit(device.push, large, device.root / "folder" / "file")
            else:
                copy = threads.submit(device.pull, PurePosixPath(source), got)

            def is_on_its_way() -> bool:
                parts = [*tmp_path.glob("*.part"), *own_sshd.home.rglob("*.part")]
                return any(part.stat().st_size > 100_000 for part in parts)

            assert wait_for(is_on_its_way)
            own_sshd.cut()
            with pytest.raises(ConnectionLostError):
                copy.result()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["large", "small"]

        def names() -> str:
            return device.run(["ls", "-A", str(device.root / "folder")], 10).stdout

        assert wait_for(lambda: names() == "file\nsource\n")
        device.pull(device.root / "folder" / "file", got)
        assert got.read_bytes() == b"old"

    @pytest.mark.slow
    def test_while_all_of_it_happens_at_once(self, own_sshd: Sshd, device: SshDevice) -> None:
        stop = threading.Event()
        worked: list[str] = []

        def said() -> str:
            try:
                return device.run(["echo", "x"], timeout_s=60).stdout
            except (ConnectionLostError, DeviceUnreachableError):
                return "lost"

        def work() -> None:
            while not stop.is_set():
                worked.append(said())

        with ThreadPoolExecutor(4) as threads:
            workers = [threads.submit(work) for _ in range(4)]
            for _ in range(5):
                before = len(worked)
                assert wait_for(lambda: worked[before:].count("x\n") >= 4)  # noqa: B023
                own_sshd.cut()
            stop.set()
            for worker in workers:
                worker.result()
        assert set(worked) == {"x\n", "lost"}

    def test_the_server_is_gone_for_a_while(self, own_sshd: Sshd, device: SshDevice) -> None:
        device.run(["true"], timeout_s=10)
        own_sshd.stop()
        with pytest.raises((ConnectionLostError, DeviceUnreachableError)):
            device.run(["true"], timeout_s=10)
        with pytest.raises(DeviceUnreachableError, match="Connection refused; check that it is"):
            device.run(["true"], timeout_s=10)
        own_sshd.start()
        assert device.run(["echo", "x"], timeout_s=10).stdout == "x\n"


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes a small disk")
def test_a_full_device_keeps_what_it_had(own_sshd: Sshd, client: Client, tmp_path: Path) -> None:
    if not own_sshd.is_private:
        pytest.skip("only a server with mounts of its own can have a small disk")
    device = client.device(own_sshd)
    sent = tmp_path / "sent"
    sent.write_bytes(b"old")
    folder = PurePosixPath(own_sshd.home) / "small"
    own_sshd.mount_small_disk(Path(folder), size_kib=64)
    device.push(sent, folder / "file")
    sent.write_bytes(bytes(500_000))
    with pytest.raises(DeviceError, match=r"cannot copy .*No space left.*check free space"):
        device.push(sent, folder / "file")
    device.pull(folder / "file", tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == b"old"
    assert device.run(["ls", "-A", str(folder)], timeout_s=10).stdout == "file\n"


def test_what_is_no_file_is_not_pulled(sshd: Sshd, client: Client, tmp_path: Path) -> None:
    device = client.device(sshd)
    for path in ("/dev/zero", "/proc", "/no/such/file"):
        with pytest.raises(DeviceError, match=f"cannot copy {path} .*(no file|no such file)"):
            device.pull(PurePosixPath(path), tmp_path / "got")
    assert not (tmp_path / "got").exists()


def test_a_folder_that_cannot_be_written_is_told(
    sshd: Sshd, client: Client, tmp_path: Path
) -> None:
    device = client.device(sshd)
    (tmp_path / "sent").write_text("x")
    with pytest.raises(DeviceError, match=r"cannot copy .* to /proc/new/file"):
        device.push(tmp_path / "sent", PurePosixPath("/proc/new/file"))
    with pytest.raises(DeviceError, match=r"cannot copy .*check free space and permissions"):
        device.pull(PurePosixPath("/proc/version"), Path("/proc/new/file"))


def test_parts_that_a_reboot_left_are_removed_a_day_later(
    sshd: Sshd, client: Client, tmp_path: Path
) -> None:
    device = client.device(sshd)
    folder = device.root / "parts"
    (tmp_path / "sent").write_text("x")
    device.push(tmp_path / "sent", folder / "file")
    old, new, other = (str(folder / f"f.{end}") for end in ("0123abcd.part", "4567abcd.part", "o"))
    device.run(["touch", "-d", "2 days ago", old, other], timeout_s=10)
    device.run(["touch", new], timeout_s=10)
    device.push(tmp_path / "sent", folder / "file")
    names = device.run(["ls", "-A", str(folder)], timeout_s=10).stdout.split()
    assert names == ["f.4567abcd.part", "f.o", "file"]


def test_a_root_that_does_not_make_sense_is_told(client: Client) -> None:
    with running_sshd("SetEnv HOME=/no/such/folder") as server:
        device = client.device(server)
        with pytest.raises(DeviceError, match="pi4 has no home folder"):
            device.root  # noqa: B018


@pytest.mark.slow
def test_other_login_shells_get_the_same_words(client: Client, own_sshd: Sshd) -> None:
    if not own_sshd.is_private:
        pytest.skip("only an account of our own can have another shell")
    for shell in ("bash", "dash", "zsh", "busybox"):
        if (found := shutil.which(shell)) is None or shell == "busybox":
            continue
        own_sshd.stop()
        own_sshd.shell = found
        own_sshd.start()
        odd = "a  b;$HOME'\"*\\\\ é`x`!~#\n"
        device = client.device(own_sshd, f"pi-{shell}")
        done = device.run(["printf", "%s", odd], timeout_s=10)
        assert done.stdout == odd
        with pytest.raises(DeviceTimeoutError):
            device.run(["sleep", "60"], timeout_s=0.3)
        assert wait_for(lambda: not own_sshd.program_pids())


def test_no_thread_keeps_the_process_from_ending(sshd: Sshd, client: Client) -> None:
    client.device(sshd)
    program = f"""
from pathlib import Path
from sartor.devices.ssh import SshAddress, SshDevice
device = SshDevice("pi4", SshAddress("pi4"), config=Path({str(client.config)!r}))
stream = device.open_stream(["cat"], {{}})
print(device.run(["echo", "done"], 10).stdout)
"""
    began_s = time.monotonic()
    argv = [sys.executable, "-c", program]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout.strip(), done.stderr) == ("done", "")
    assert time.monotonic() - began_s < 30


def test_a_pid_is_a_number(sshd: Sshd, client: Client) -> None:
    device = client.device(sshd)
    stream = device.open_stream(["sh", "-c", "echo $$; cat"], {})
    pid = stream.read_line(timeout_s=10)
    assert pid is not None
    assert re.fullmatch("[0-9]+", pid)
    assert is_running(device, pid)
    assert stream.close() == 0
    assert wait_for(lambda: not is_running(device, pid))
