"""The machine at hand as a device."""

from __future__ import annotations

import os
import select
import selectors
import shutil
import signal
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
from .device import LONGEST_LINE_BYTES, LONGEST_OUTPUT_BYTES, Completed, Stream
from .facts import DeviceFacts, read_facts
from .health import Health, read_health

_LAST_WORDS_BYTES = 2000
_BLOCK_BYTES = 1 << 16


class LocalDevice:
    """This machine; programs run as children of this process.

    Attributes:
        name: ``local``, or what the inventory calls it.
        remote: not at all.
        root: for our files, by default below the user's cache folder.
        python: that runs agents, by default the interpreter that runs this process.
    """

    remote = False

    def __init__(self, root: Path | None = None, python: str = "", name: str = "local") -> None:
        self.name = name
        self.root = PurePosixPath(root or _cache_folder() / "sartor" / "device")
        self.python = python or sys.executable

    def run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        """Run a program to its end; see ``Device.run``."""
        deadline_s = time.monotonic() + timeout_s
        with _start(argv, {}, subprocess.DEVNULL, subprocess.PIPE) as process:
            try:
                stdout, stderr = _collect(process, deadline_s)
                exit_code = process.wait(max(0.0, deadline_s - time.monotonic()))
            except (TimeoutError, subprocess.TimeoutExpired) as error:
                raise DeviceTimeoutError(
                    f"{argv[0]} on {self.name} did not end within {timeout_s:g} s and was killed"
                ) from error
            except OverflowError as error:
                raise DeviceError(
                    f"{argv[0]} on {self.name} was killed, because it wrote more than "
                    f"{LONGEST_OUTPUT_BYTES >> 20} MiB"
                ) from error
            finally:
                _kill(process)  # does nothing once it has ended
        return Completed(exit_code, _text(stdout), _text(stderr))

    def push(self, local: Path, remote: PurePosixPath) -> None:
        """Copy a file whole or not at all; see ``Device.push``."""
        self._copy(local, Path(remote))

    def pull(self, remote: PurePosixPath, local: Path) -> None:
        """Copy a file whole or not at all; see ``Device.pull``."""
        self._copy(Path(remote), local)

    def open_stream(self, argv: Sequence[str], environment: Mapping[str, str]) -> Stream:
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
            _make_private(target.parent)
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
        except BaseException:
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
            if (searched := len(self._unread)) >= LONGEST_LINE_BYTES:
                break
            left_ms = 1000 * (deadline - time.monotonic())
            if left_ms <= 0 or not self._poll.poll(left_ms):
                raise DeviceTimeoutError(f"{self._program} said nothing for {timeout_s:g} s")
            block = os.read(self._output.fileno(), _BLOCK_BYTES)
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
        _kill(self._process)


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


def _make_private(folder: Path) -> None:
    """Make a folder, and those above it, that only we may enter."""
    if not folder.is_dir():
        _make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def _collect(process: subprocess.Popen[bytes], deadline_s: float) -> tuple[bytes, bytes]:
    """Read both outputs to their ends.

    Raises:
        TimeoutError: they do not end in time.
        OverflowError: one of them is longer than anything that makes sense.
    """
    texts = {cast("IO[bytes]", pipe): bytearray() for pipe in (process.stdout, process.stderr)}
    with selectors.DefaultSelector() as selector:
        for pipe in texts:
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or not (ready := selector.select(left_s)):
                raise TimeoutError
            for key, _ in ready:
                pipe = cast("IO[bytes]", key.fileobj)
                if block := os.read(pipe.fileno(), _BLOCK_BYTES):
                    texts[pipe] += block
                else:
                    selector.unregister(pipe)
                if len(texts[pipe]) > LONGEST_OUTPUT_BYTES:
                    raise OverflowError
    stdout, stderr = texts.values()
    return bytes(stdout), bytes(stderr)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a program with all that it has started, unless it has ended."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)  # it leads its session


def _text(content: bytes) -> str:
    return content.decode(errors="replace")


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
