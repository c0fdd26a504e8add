"""A phone that misbehaves: a small adbd on loopback, driven by the real adb.

Debian's adbd lets everybody in, starts whole, and does what it is asked. This one asks who comes,
may be in its recovery, may be of an old Android, stays silent, talks garbage, or ends the
connection in the middle of a given service. Its programs run as children of the tests on this
machine, below a folder.
"""

from __future__ import annotations

import os
import re
import secrets
import signal
import socket
import stat
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, cast

from .adb_channel import EXIT, STDERR, STDOUT, Channel
from .adb_wire import (
    AUTH,
    CLSE,
    CNXN,
    MOST_BYTES,
    OKAY,
    OPEN,
    PUBLIC_KEY,
    SIGNATURE,
    TOKEN,
    VERSION,
    WRTE,
    GoneError,
    Wire,
    is_signed,
)


@dataclass
class Faults:
    """What is wrong with a phone; may be changed while it runs, for connections to come.

    Attributes:
        asks: whether a computer is let in only once somebody accepts the dialogue.
        accepts: whether somebody accepts it.
        banner: what it says it is: ``device``, ``recovery``, ``sideload``, ``bootloader``.
        features: of its adbd; without ``shell_v2`` it is as before Android 7.
        silent: it takes connections, and never says a word.
        garbage: it answers with bytes that are no messages.
        cut_at: the first service that matches ends the connection instead of being started.
        cut_after: the first service that matches does so after its first answer.
        garbage_at: the first service that matches answers with bytes of no meaning.
        pause_s: before each of its answers within a service.
        full: it takes no more files.
    """

    asks: bool = False
    accepts: bool = False
    banner: str = "device"
    features: tuple[str, ...] = ("shell_v2", "cmd")
    silent: bool = False
    garbage: bool = False
    cut_at: re.Pattern[str] | None = None
    cut_after: re.Pattern[str] | None = None
    garbage_at: re.Pattern[str] | None = None
    pause_s: float = 0
    full: bool = False


class FaultPhone:
    """A phone that misbehaves.

    Attributes:
        folder: below which its programs find their files; paths are those of this machine.
        faults: may be changed.
        services: that were asked for.
        variables: of the environment of its programs.
    """

    def __init__(self, folder: Path, faults: Faults) -> None:
        self.folder, self.faults = folder, faults
        self.services: list[str] = []
        self.variables = {"PATH": os.environ["PATH"]}
        self.keys: set[bytes] = set()
        self._wires: set[Wire] = set()
        self._listener: socket.socket | None = None
        self.port = 0
        self.plug()

    @property
    def serial(self) -> str:
        """By which adb knows it."""
        return f"127.0.0.1:{self.port}"

    @property
    def root(self) -> PurePosixPath:
        """A folder on it for our files."""
        return PurePosixPath(self.folder) / "sartor"

    def plug(self) -> None:
        """Take connections, on the same port as before."""
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self.port = self._listener.getsockname()[1]
            threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def unplug(self) -> None:
        """End all connections, and take none."""
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.cut()

    def cut(self) -> None:
        """End all connections."""
        for wire in list(self._wires):
            wire.cut()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                end, _ = listener.accept()
            except OSError:
                return
            wire = Wire(end)
            self._wires.add(wire)
            threading.Thread(target=self._serve, args=[wire], daemon=True).start()

    def _serve(self, wire: Wire) -> None:
        host = _Host(self, wire)
        try:
            host.serve()
        except GoneError:
            pass
        finally:
            host.end()
            self._wires.discard(wire)
            wire.cut()
            wire.close()


class _Host:
    """What serves one connection."""

    def __init__(self, phone: FaultPhone, wire: Wire) -> None:
        self.phone, self.wire = phone, wire
        self._channels: dict[int, Channel] = {}
        self._inside = not phone.faults.asks
        self._token = secrets.token_bytes(20)

    def serve(self) -> None:
        """Answer until the connection ends."""
        while True:
            command, first, second, data = self.wire.receive()
            if self.phone.faults.silent:
                continue
            if self.phone.faults.garbage:
                self.wire.send_raw(secrets.token_bytes(5000))
            elif command == CNXN:
                self._greet()
            elif command == AUTH:
                self._judge(first, data)
            elif command == OPEN and self._inside:
                self._open(first, data.rstrip(b"\0").decode())
            elif second in self._channels:
                self._pass_on(self._channels[second], command, data)

    def end(self) -> None:
        """End what still runs for it, as adbd does."""
        for channel in list(self._channels.values()):
            channel.end()

    def _greet(self) -> None:
        if self._inside:
            faults = self.phone.faults
            banner = (
                f"{faults.banner}::ro.product.name=fault;ro.product.model=Fault 1;"
                f"ro.product.device=fault;features={','.join(faults.features)}"
            )
            self.wire.send(CNXN, VERSION, MOST_BYTES, banner.encode())
        else:
            self.wire.send(AUTH, TOKEN, 0, self._token)

    def _judge(self, kind: int, data: bytes) -> None:
        known = self.phone.keys
        if kind == SIGNATURE:
            self._inside = any(is_signed(key, self._token, data) for key in known)
            self._greet()
        elif kind == PUBLIC_KEY and self.phone.faults.accepts:
            known.add(data.rstrip(b"\0"))
            self._inside = True
            self._greet()

    def _open(self, theirs: int, service: str) -> None:
        self.phone.services.append(service)
        faults = self.phone.faults
        if faults.cut_at and faults.cut_at.search(service):
            faults.cut_at = None
            raise GoneError
        channel = Channel(self.wire, len(self.phone.services), theirs)
        if faults.cut_after and faults.cut_after.search(service):
            faults.cut_after = None
            channel.cut_after_answer = True
        channel.pause_s = faults.pause_s
        self._channels[channel.ours] = channel
        serve: Callable[[Channel, str], None] | None = {
            "shell": self._shell,
            "exec": self._shell,
            "sync": self._sync,
        }.get(re.split("[:,]", service)[0])
        if faults.garbage_at and faults.garbage_at.search(service):
            faults.garbage_at = None
            serve = self._babble
        if serve is None:
            self.wire.send(CLSE, 0, theirs)
            return

        def run() -> None:
            with suppress(GoneError):
                self.wire.send(OKAY, channel.ours, channel.theirs)
                serve(channel, service)
            self._channels.pop(channel.ours, None)
            with suppress(GoneError):
                self.wire.send(CLSE, channel.ours, channel.theirs)

        threading.Thread(target=run, daemon=True).start()

    def _pass_on(self, channel: Channel, command: int, data: bytes) -> None:
        if command == OKAY:
            channel.ready.release()
        elif command == WRTE:
            self.wire.send(OKAY, channel.ours, channel.theirs)
            channel.incoming.put(data)
        elif command == CLSE:
            channel.end()

    @staticmethod
    def _babble(channel: Channel, service: str) -> None:
        for _ in range(10):
            channel.send(secrets.token_bytes(1000))

    def _shell(self, channel: Channel, service: str) -> None:
        options, _, command = service.partition(":")
        apart = "v2" in options.split(",")
        with subprocess.Popen(
            ["/bin/sh", "-c", command],
            env=self.phone.variables,
            cwd=self.phone.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if apart else subprocess.STDOUT,
            start_new_session=True,
        ) as process:
            channel.hang_up = lambda: process.send_signal(signal.SIGHUP)
            stdin = cast("IO[bytes]", process.stdin)
            threading.Thread(target=channel.feed, args=[stdin, apart], daemon=True).start()
            pumps = [
                threading.Thread(target=channel.pump, args=[pipe, kind if apart else None])
                for pipe, kind in ((process.stdout, STDOUT), (process.stderr, STDERR))
                if pipe is not None
            ]
            for pump in pumps:
                pump.start()
            for pump in pumps:
                pump.join()
            process.wait()
        if apart:
            channel.send(struct.pack("<BIB", EXIT, 1, process.returncode & 0xFF))

    def _sync(self, channel: Channel, service: str) -> None:
        while True:
            command, size = struct.unpack("<4sI", channel.exactly(8))
            if command == b"QUIT":
                return
            path = channel.exactly(size).decode()
            if command == b"STAT":
                found = Path(path).lstat() if Path(path).exists() else None
                numbers = (
                    (found.st_mode, found.st_size, int(found.st_mtime)) if found else (0, 0, 0)
                )
                channel.send(struct.pack("<4s3I", b"STAT", *numbers))
            elif command == b"SEND":
                self._take(channel, path)
            elif command == b"RECV":
                for start in range(0, len(content := Path(path).read_bytes()), 1 << 16):
                    block = content[start : start + (1 << 16)]
                    channel.send(struct.pack("<4sI", b"DATA", len(block)) + block)
                channel.send(struct.pack("<4sI", b"DONE", 0))
            else:
                raise GoneError

    def _take(self, channel: Channel, path_and_mode: str) -> None:
        path, _, mode = path_and_mode.rpartition(",")
        target = Path(path)
        assert target.is_relative_to(self.phone.folder), f"{target} is outside the phone"
        content = b""
        while True:
            command, size = struct.unpack("<4sI", channel.exactly(8))
            if command == b"DONE":
                break
            content += channel.exactly(size)
            if self.phone.faults.full:
                target.write_bytes(content)  # as far as it went
                self._fail(channel, "write failed: No space left on device")
        if not self.phone.faults.full:
            target.write_bytes(content)
            target.chmod(stat.S_IMODE(int(mode)) | 0o600)
            channel.send(struct.pack("<4sI", b"OKAY", 0))

    @staticmethod
    def _fail(channel: Channel, cause: str) -> None:
        channel.send(struct.pack("<4sI", b"FAIL", len(cause)) + cause.encode())
        raise GoneError


@contextmanager
def running_fault_phone(folder: Path, faults: Faults | None = None) -> Iterator[FaultPhone]:
    """Start a phone that misbehaves; it ends with the tests."""
    phone = FaultPhone(folder, faults or Faults())
    try:
        yield phone
    finally:
        phone.unplug()
