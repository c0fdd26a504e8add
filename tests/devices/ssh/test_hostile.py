"""Peers that lie, babble, or fall silent."""

from __future__ import annotations

import errno
import os
import resource
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path, PurePosixPath

import pytest

pytest.importorskip("paramiko", reason="pip install 'sartor[ssh]'")

import paramiko

from sartor.devices.ssh import SshDevice
from sartor.tables.errors import (
    CommandFailedError,
    ConnectionLostError,
    DeviceError,
    DeviceTimeoutError,
    DeviceUnreachableError,
)
from sartor.tests.devices.contract import wait_for
from sartor.tests.real.rogue_sshd import Rogue, flood, listening, rogue_sshd, start_of
from sartor.tests.real.sshd import Sshd, why_no_sshd

from .conftest import Client

pytestmark = pytest.mark.skipif(bool(why_no_sshd()), reason=why_no_sshd())
_MOST_MEMORY_KB = 200_000


@pytest.fixture(autouse=True)
def frugal() -> Iterator[None]:
    """Nothing that a peer does takes much memory, or leaves threads that hold the process."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < _MOST_MEMORY_KB

    def lingering() -> list[threading.Thread]:
        return [one for one in threading.enumerate() if isinstance(one, threading.Timer)]

    assert wait_for(lambda: not lingering(), timeout_s=5)


def refusal(client: Client, rogue: Rogue, more: str = "ConnectTimeout 1") -> str:
    """Tell how connecting fails, which it does in time."""
    began_s = time.monotonic()
    with pytest.raises(DeviceUnreachableError) as refused:
        client.device(rogue, more=more).run(["true"], timeout_s=10)
    assert time.monotonic() - began_s < 20
    return str(refused.value)


@pytest.mark.parametrize(
    ("greeting", "words"),
    [
        (b"", "accepts connections and says nothing for 1 s"),
        pytest.param(
            b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak SSH", marks=pytest.mark.slow
        ),
        (b"SSH-1.5-old\r\n", "does not speak SSH"),
        (b"SSH-2.0-x\r\n" + bytes(range(256)) * 10, "does not speak SSH"),
        (b"SSH-2.0-x\r\n" + b"\xff" * 4000, "does not speak SSH"),
        (b"\xff\xfe\x00" * 100 + b"\n", "does not speak SSH"),
    ],
)
def test_what_is_no_ssh_server_is_told(
    client: Client, tmp_path: Path, greeting: bytes, words: str
) -> None:
    def serve(connection: socket.socket) -> None:
        connection.sendall(greeting)
        while connection.recv(1 << 20):
            pass

    with listening(tmp_path, serve) as rogue:
        assert words in refusal(client, rogue)


@pytest.mark.parametrize("block", [b"x" * 65536, b"line\n" * 10000, b"\0" * 65536])
def test_a_peer_that_babbles_before_it_greets_is_cut_off(
    client: Client, tmp_path: Path, block: bytes
) -> None:
    def serve(connection: socket.socket) -> None:
        while True:
            connection.sendall(block)

    with listening(tmp_path, serve) as rogue:
        assert "does not speak SSH" in refusal(client, rogue, "ConnectTimeout 5")


@pytest.mark.parametrize("is_reset", [False, True])
def test_a_peer_that_hangs_up_is_told(client: Client, tmp_path: Path, *, is_reset: bool) -> None:
    def serve(connection: socket.socket) -> None:
        linger = struct.pack("ii", is_reset, 0)  # for no time: what is closed is reset
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        connection.close()

    with listening(tmp_path, serve) as rogue:
        assert "hangs up at once" in refusal(client, rogue)


def test_a_peer_that_resets_before_it_is_dialled_is_told_alike(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It depends on the kernel's haste who notices first."""

    def reset(*_: object) -> socket.socket:
        raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))

    monkeypatch.setattr("sartor.devices.ssh.connect.dial", reset)
    with listening(tmp_path, lambda connection: connection.close()) as rogue:
        assert "hangs up at once" in refusal(client, rogue)


@pytest.mark.slow
def test_a_peer_that_drips_is_not_waited_for(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sartor.devices.ssh.connect._HANDSHAKE_S", 0.2)

    def serve(connection: socket.socket) -> None:
        while True:
            connection.sendall(b"x\n")
            time.sleep(0.1)

    with listening(tmp_path, serve) as rogue:
        assert "does not speak SSH" in refusal(client, rogue)


@pytest.fixture
def device_of(
    client: Client, tmp_path: Path
) -> Iterator[Callable[[Callable[[paramiko.Channel, str], bool]], SshDevice]]:
    """Makes a device of a server that does as one likes with programs."""
    running = []

    def make(on_program: Callable[[paramiko.Channel, str], bool]) -> SshDevice:
        context = rogue_sshd(tmp_path, on_program)
        running.append(context)
        return client.device(context.__enter__())

    yield make
    for context in running:
        context.__exit__(None, None, None)


Make = Callable[[Callable[[paramiko.Channel, str], bool]], SshDevice]


def in_thread(work: Callable[[paramiko.Channel], None], channel: paramiko.Channel) -> bool:
    def run() -> None:
        time.sleep(0.1)  # the client is to be told first that its program was started
        with suppress(OSError, EOFError, paramiko.SSHException):
            work(channel)

    threading.Thread(target=run, daemon=True).start()
    return True


def test_a_server_that_refuses_programs_is_told(device_of: Make) -> None:
    device = device_of(lambda channel, command: False)
    with pytest.raises(DeviceError, match="does not let us run programs"):
        device.run(["true"], timeout_s=10)


def test_a_server_that_never_answers_is_given_up(
    device_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sartor.devices.ssh.program._START_S", 0.3)

    enough = threading.Event()

    def never(channel: paramiko.Channel, command: str) -> bool:
        return enough.wait(60)

    with pytest.raises(ConnectionLostError, match="takes too long"):
        device_of(never).run(["true"], timeout_s=10)
    enough.set()


def test_a_program_that_is_not_started_is_given_up(
    device_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sartor.devices.ssh.program._START_S", 0.3)
    with pytest.raises(DeviceTimeoutError, match="did not start true within 0\\.3 s"):
        device_of(lambda channel, command: True).run(["true"], timeout_s=10)


def test_noise_without_end_before_a_program_is_cut_off(device_of: Make) -> None:
    def noise(channel: paramiko.Channel) -> None:
        while True:
            channel.sendall(b"noise\n" * 1000)

    device = device_of(lambda channel, command: in_thread(noise, channel))
    with pytest.raises(CommandFailedError, match=r"runs no command .*noise"):
        device.run(["true"], timeout_s=10)


@pytest.mark.parametrize("number", ["x", "-1", "1; rm -rf /", ""])
def test_a_number_of_a_program_that_is_none_is_refused(device_of: Make, number: str) -> None:
    def answer(channel: paramiko.Channel, command: str) -> bool:
        mark, _ = start_of(command)
        channel.sendall_stderr(f"{mark}\n".encode())
        channel.sendall(f"{mark} {number}\n".encode())
        return True

    with pytest.raises(DeviceError, match="as a program's number"):
        device_of(answer).run(["true"], timeout_s=10)


@pytest.mark.parametrize("reads", [True, False])
def test_a_flood_beyond_the_window_is_cut_off(
    device_of: Make, monkeypatch: pytest.MonkeyPatch, reads: bool
) -> None:
    def answer(channel: paramiko.Channel, command: str) -> bool:
        mark, line = start_of(command)
        channel.sendall_stderr(f"{mark}\n".encode())
        channel.sendall(line.encode())
        return in_thread(flood, channel)

    monkeypatch.setattr("sartor.devices.ssh.program._KILL_S", 1.0)
    device = device_of(answer)
    if reads:
        with pytest.raises(DeviceError, match=r"more than 16 MiB|more than it was asked for"):
            device.run(["yes"], timeout_s=60)
        return
    stream = device.open_stream(["yes"], {})
    connection = device._connection
    assert connection is not None
    assert wait_for(lambda: not connection.is_alive)
    with pytest.raises(ConnectionLostError, match="more than it was asked for"):
        stream.read_line(timeout_s=60)  # a flood without a line's end


def test_an_end_that_is_never_told_is_an_error(device_of: Make) -> None:
    def answer(channel: paramiko.Channel, command: str) -> bool:
        mark, line = start_of(command)
        channel.sendall_stderr(f"{mark}\n".encode())
        channel.sendall(line.encode())

        def close(channel: paramiko.Channel) -> None:
            channel.close()

        return in_thread(close, channel)

    with pytest.raises(DeviceError, match="does not say how true ended"):
        device_of(answer).run(["true"], timeout_s=10)


@pytest.mark.parametrize("answer", [b"", b"no checksum", b"x" * 300_000, b"0" * 64 + b"\ncontent"])
def test_a_file_that_does_not_match_its_checksum_is_refused(
    device_of: Make, tmp_path: Path, answer: bytes
) -> None:
    def send(channel: paramiko.Channel, command: str) -> bool:
        mark, line = start_of(command)

        def work(channel: paramiko.Channel) -> None:
            channel.sendall_stderr(f"{mark}\n".encode())
            channel.sendall(line.encode() + answer)
            channel.send_exit_status(0)
            channel.close()

        return in_thread(work, channel)

    with pytest.raises(DeviceError, match=r"cannot copy /file .*(damaged|no end)"):
        device_of(send).pull(PurePosixPath("/file"), tmp_path / "got")
    assert not list(tmp_path.glob("got*"))


@pytest.mark.slow
class TestSilence:
    """A peer that says nothing is noticed; here in 2 s, so that the tests need not wait for 8."""

    @pytest.fixture(autouse=True)
    def hurry(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sartor.devices.ssh.connect.SILENCE_S", 2.0)
        monkeypatch.setattr("sartor.devices.ssh.wire._ASK_EVERY_S", 0.5)

    def test_a_frozen_server_is_noticed_while_we_wait(self, own_sshd: Sshd, client: Client) -> None:
        device = client.device(own_sshd)
        stream = device.open_stream(["cat"], {})
        time.sleep(3)  # silence of the program is none of the server
        stream.send_line("line")
        assert stream.read_line(timeout_s=10) == "line"
        own_sshd.freeze()
        began_s = time.monotonic()
        with pytest.raises(ConnectionLostError, match="it has been silent for 2 s"):
            stream.read_line(timeout_s=60)
        assert time.monotonic() - began_s < 10
        own_sshd.thaw()
        assert device.run(["echo", "x"], timeout_s=10).stdout == "x\n"

    def test_a_frozen_server_is_noticed_while_we_send(
        self, own_sshd: Sshd, client: Client, tmp_path: Path
    ) -> None:
        device = client.device(own_sshd)
        with (tmp_path / "large").open("wb") as file:
            file.truncate(1 << 30)
        remote = device.root / "file"
        with ThreadPoolExecutor(1) as threads:
            push = threads.submit(device.push, tmp_path / "large", remote)
            assert wait_for(lambda: bool(own_sshd.program_pids()))
            own_sshd.freeze()
            began_s = time.monotonic()
            with pytest.raises(ConnectionLostError, match="silent"):
                push.result()
        assert time.monotonic() - began_s < 10

    def test_a_frozen_device_behind_a_jump_host_is_noticed(
        self, own_sshd: Sshd, sshd: Sshd, client: Client
    ) -> None:
        client.device(sshd, "gate")
        device = client.device(own_sshd, more="ProxyJump gate")
        stream = device.open_stream(["cat"], {})
        own_sshd.freeze()
        with pytest.raises(ConnectionLostError, match="broke: it has been silent for 2 s"):
            stream.read_line(timeout_s=60)
        device.close()

    def test_a_frozen_jump_host_is_noticed_and_named(
        self, own_sshd: Sshd, sshd: Sshd, client: Client
    ) -> None:
        client.device(own_sshd, "gate")
        device = client.device(sshd, more="ProxyJump gate")
        stream = device.open_stream(["cat"], {})
        own_sshd.freeze()
        with pytest.raises(ConnectionLostError, match=r"the jump host gate .* has been silent"):
            stream.read_line(timeout_s=60)
        device.close()
