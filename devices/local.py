"""The machine at hand as a device."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO, cast

from ..tables.errors import CommandFailedError, DeviceError, DeviceTimeoutError
from .device import Completed
from .facts import DeviceFacts, read_facts
from .health import Health, read_health

_LAST_WORDS_BYTES = 2000
_LONGEST_LINE_BYTES = 1 << 26
"""Ten times what an agent may have to say about 128 models."""


class LocalDevice:
    """This machine; programs run as children of this process.

    Attributes:
        name: ``local``.
        root: for our files, by default below the user's cache folder.
        python: that runs agents, by default the interpreter that runs this process.
    """

    name = "local"

    def __init__(self, root: Path | None = None, python: str = "") -> None:
        self.root = PurePosixPath(root or _cache_folder() / "sartor" / "device")
        self.python = python or sys.executable

    def run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        """Run a program to its end; see ``Device.run``."""
        with _start(argv, {}, subprocess.DEVNULL, subprocess.PIPE) as process:
            try:
                stdout, stderr = process.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired as error:
                raise DeviceTimeoutError(
                    f"{argv[0]} on {self.name} did not end within {timeout_s:g} s and was killed"
                ) from error
            finally:
                process.kill()  # does nothing once it has ended
        return Completed(process.returncode, _text(stdout), _text(stderr))

    def push(self, local: Path, remote: PurePosixPath) -> None:
        """Copy a file whole or not at all; see ``Device.push``."""
        self._copy(local, Path(remote))

    def pull(self, remote: PurePosixPath, local: Path) -> None:
        """Copy a file whole or not at all; see ``Device.pull``."""
        self._copy(Path(remote), local)

    def open_stream(self, argv: Sequence[str], environment: Mapping[str, str]) -> LocalStream:
        """Start a program and talk to it; see ``Device.open_stream``."""
        return LocalStream(argv, environment)

    def facts(self) -> DeviceFacts:
        """Return what this machine is."""
        return read_facts(self)

    def health(self) -> Health:
        """Return how this machine is right now."""
        return read_health(self)

    def _copy(self, source: Path, target: Path) -> None:
        part = target.with_name(f"{target.name}.{uuid.uuid4().hex[:8]}.part")  # ours alone
        try:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                shutil.copyfile(source, part)
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)
        except OSError as error:
            raise DeviceError(
                f"cannot copy {source} to {target}: {error.strerror}; "
                "check free space and permissions there"
            ) from error


class LocalStream:
    """A child process in a session of its own, so that Ctrl-C reaches only us."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        self._program = argv[0]
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (close closes it)
        try:
            self._process = _start(argv, environment, subprocess.PIPE, self._errors.fileno())
        except CommandFailedError:
            self._errors.close()
            raise
        self._input = cast("IO[bytes]", self._process.stdin)
        self._output = cast("IO[bytes]", self._process.stdout)
        self._poll = select.poll()
        self._poll.register(self._output, select.POLLIN)
        self._unread = bytearray()

    def send_line(self, line: str) -> None:
        """Write one line; see ``Stream.send_line``."""
        try:
            self._input.write(f"{line}\n".encode())
            self._input.flush()
        except OSError as error:
            raise DeviceError(f"{self._program} no longer reads: {error.strerror}") from error

    def read_line(self, timeout_s: float) -> str | None:
        """Return the next line, or None at the end; see ``Stream.read_line``."""
        deadline = time.monotonic() + timeout_s
        searched = 0
        while (end := self._unread.find(b"\n", searched)) < 0:
            if (searched := len(self._unread)) >= _LONGEST_LINE_BYTES:
                break
            left_ms = 1000 * (deadline - time.monotonic())
            if left_ms <= 0 or not self._poll.poll(left_ms):
                raise DeviceTimeoutError(f"{self._program} said nothing for {timeout_s:g} s")
            block = os.read(self._output.fileno(), 1 << 16)
            if not block:
                return None
            self._unread += block
        line = bytes(self._unread[: end if end >= 0 else searched])
        del self._unread[: len(line) + (end >= 0)]
        return _text(line)

    def last_words(self) -> str:
        """Return the end of standard error; see ``Stream.last_words``."""
        size = os.fstat(self._errors.fileno()).st_size
        start = max(0, size - _LAST_WORDS_BYTES)
        return _text(os.pread(self._errors.fileno(), _LAST_WORDS_BYTES, start)).strip()

    def close(self, timeout_s: float = 10) -> int:
        """End the input, wait, kill if need be; see ``Stream.close``."""
        with suppress(BrokenPipeError):  # it may have died with our last line unread
            self._input.close()
        self._output.close()
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._process.wait()
        finally:
            self._errors.close()

    def kill(self) -> None:
        """End the program at once; see ``Stream.kill``."""
        self._process.kill()


def _start(
    argv: Sequence[str], environment: Mapping[str, str], stdin: int, stderr: int
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    except OSError as error:
        raise CommandFailedError(f"cannot start {argv[0]}: {error.strerror}") from error


def _text(content: bytes) -> str:
    return content.decode(errors="replace")


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
