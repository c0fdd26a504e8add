"""A device whose connection really breaks: this machine, at the end of a bad cable.

Its programs are real processes, and what they read and write are real pipes. A cable that is cut
lets some bytes through before it, in the middle of a line or not, and then nothing.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from sartor.devices import Completed, DeviceFacts, Health, LocalDevice, Stream
from sartor.devices.facts import read_facts
from sartor.devices.health import read_health
from sartor.tables.errors import (
    CommandFailedError,
    ConnectionLostError,
    DeviceError,
    DeviceTimeoutError,
    DeviceUnreachableError,
)


class Cable:
    """What can happen to a connection.

    Attributes:
        passed: bytes that went over it, both ways, streams and files.
        calls: how often something was begun over it.
        pushes: how many of those were files that we sent.
        cuts: how often it broke.
        muted: whether it swallows all that it is given, without breaking.
    """

    def __init__(self) -> None:
        self.passed, self.calls, self.pushes, self.cuts, self.muted = 0, 0, 0, 0, False
        self._lock = threading.RLock()
        self._planned: list[int] = []
        self._pause_s = 0.0
        self._down_until = 0.0
        self._streams: list[ShakyStream] = []

    def cut_after(self, size: int, down_s: float = 0.0) -> None:
        """Break in so many bytes from now, and stay broken for some time."""
        with self._lock:
            self._planned.append(self.passed + size)
            self._planned.sort()
            self._pause_s = down_s

    def cut(self, down_s: float = 0.0) -> None:
        """Break now."""
        with self._lock:
            self._down_until = time.monotonic() + down_s
            self.cuts += 1
            for stream in self._streams:
                stream.breaks()
            self._streams.clear()

    def heal(self) -> None:
        """Be whole again."""
        self._down_until = 0.0

    def begin(self, stream: ShakyStream | None = None) -> None:
        """Let something begin; DeviceUnreachableError while it is broken."""
        with self._lock:
            self.calls += 1
            if time.monotonic() < self._down_until:
                raise DeviceUnreachableError("far is unreachable: the cable is cut")
            if stream is not None:
                self._streams.append(stream)

    def carry(self, size: int) -> int:
        """Return how many of some bytes pass; fewer when it breaks among them."""
        with self._lock:
            if not self._planned or self._planned[0] >= self.passed + size:
                self.passed += size
                return size
            passing = max(0, self._planned.pop(0) - self.passed)
            self.passed += passing
            return passing

    @property
    def pause_s(self) -> float:
        """How long it stays broken after a planned cut."""
        return self._pause_s


class ShakyDevice:
    """This machine at the end of a cable.

    Attributes:
        cable: between us and it.
        boot: a file with the name of its boot, where that is another than this machine's.
    """

    name = "far"
    remote = True

    def __init__(self, root: Path) -> None:
        self._local = LocalDevice(root)
        self.cable = Cable()
        self.boot: Path | None = None

    @property
    def root(self) -> PurePosixPath:
        return self._local.root

    @property
    def python(self) -> str:
        return self._local.python

    @python.setter
    def python(self, python: str) -> None:
        self._local.python = python

    def run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        self.cable.begin()
        done = self._local.run([*self._booted(), *argv], timeout_s)
        self._carry(len(done.stdout) + len(done.stderr) + sum(map(len, argv)))
        return done

    def push(self, local: Path, remote: PurePosixPath) -> None:
        self.cable.begin()
        self.cable.pushes += 1
        if local.exists():
            self._carry(local.stat().st_size)
        self._local.push(local, remote)

    def pull(self, remote: PurePosixPath, local: Path) -> None:
        self.cable.begin()
        if Path(remote).exists():
            self._carry(Path(remote).stat().st_size)
        self._local.pull(remote, local)

    def open_stream(self, argv: Sequence[str], environment: Mapping[str, str]) -> Stream:
        if shutil.which(argv[0]) is None:
            raise CommandFailedError(f"cannot start {argv[0]} on far: it is not there")
        return ShakyStream(self.cable, [*self._booted(), *argv], environment)

    def facts(self) -> DeviceFacts:
        return read_facts(self)

    def health(self) -> Health:
        return read_health(self)

    def processes(self, word: str = "") -> list[int]:
        """Return the process ids of what was started there and has a word in its command line."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                command = (folder / "cmdline").read_bytes()
                if str(self.root).encode() in command and word.encode() in command:
                    found.append(int(folder.name))
        return found

    def restart(self) -> None:
        """Kill all that runs there, and be in another boot; needs the right to mount."""
        for pid in self.processes():
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        self.boot = Path(self.root) / "boot_id"
        self.boot.write_text(f"{uuid.uuid4()}\n")

    def _booted(self) -> list[str]:
        """Return what lets a program see the name of another boot."""
        if self.boot is None:
            return []
        script = 'mount --bind "$1" /proc/sys/kernel/random/boot_id && shift && exec "$@"'
        return ["unshare", "-m", "sh", "-c", script, "sh", str(self.boot)]

    def _carry(self, size: int) -> None:
        if self.cable.carry(size) < size:
            self.cable.cut(self.cable.pause_s)
            raise ConnectionLostError("the connection to far is lost: the cable was cut")


class ShakyStream:
    """A process at the end of a cable; it is told nothing when that breaks but the end of input."""

    def __init__(self, cable: Cable, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        self._cable, self._broken, self._lock = cable, False, threading.Lock()
        cable.begin(self)
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
            start_new_session=True,
            bufsize=0,
        )
        assert self._process.stdin
        assert self._process.stdout
        self._in, self._out = self._process.stdin, self._process.stdout
        self._unread = b""

    def breaks(self) -> None:
        """Be cut off."""
        self._broken = True

    def send_line(self, line: str) -> None:
        text = f"{line}\n".encode()
        self._check()
        if self._cable.muted:
            return
        passing = self._cable.carry(len(text))
        try:
            while passing:
                written = os.write(self._in.fileno(), text[:passing])
                text, passing = text[written:], passing - written
        except (OSError, ValueError) as error:
            self._check()
            raise DeviceError("the program no longer reads") from error
        if text:
            self._cable.cut(self._cable.pause_s)
            self._check()

    def read_line(self, timeout_s: float) -> str | None:
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._unread:
            self._check()
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise DeviceTimeoutError(f"it said nothing for {timeout_s:g} s")
            if not select.select([self._out], [], [], min(left_s, 0.02))[0]:
                continue
            block = os.read(self._out.fileno(), 1 << 16)
            if self._cable.muted:
                continue
            if not block:
                self._check()
                return None
            passing = self._cable.carry(len(block))
            self._unread += block[:passing]
            if passing < len(block):
                self._cable.cut(self._cable.pause_s)
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode(errors="replace")

    def last_words(self) -> str:
        assert self._process.stderr
        if self._process.poll() is None:
            return ""
        return self._process.stderr.read().decode(errors="replace").strip()

    def close(self, timeout_s: float = 10) -> int:
        self.kill() if self._broken else None
        with suppress(OSError):
            self._in.close()
        try:
            status = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            status = self._process.wait()
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe
            pipe.close()
        return status

    def kill(self) -> None:
        self._process.kill()

    def _check(self) -> None:
        if self._broken:
            with suppress(OSError):
                self._in.close()
            raise ConnectionLostError("the connection to far is lost: the cable was cut")
