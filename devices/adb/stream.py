"""A program on a phone that reads lines and writes lines."""

from __future__ import annotations

import os
import re
import select
import subprocess
import threading
import time
from collections import deque
from contextlib import suppress

from ...tables.errors import CommandFailedError, DeviceError, DeviceTimeoutError
from .client import AdbClient
from .connection import Connection
from .job import Job

_LAST_WORDS_BYTES = 2000
_LONGEST_LINE_BYTES = 1 << 26
_STARTS_WITHIN_S = 30.0
_KILLED_WITHIN_S = 10.0


class AdbStream:
    """A program on the phone; it ends with the connection.

    ``read_line`` returns None once the program has ended, and raises ConnectionLostError when the
    connection did.
    """

    def __init__(self, client: AdbClient, connection: Connection, job: Job) -> None:
        self._connection, self._job = connection, job
        self._program = job.argv[0]
        self._sign = re.compile(rb"%s (missing|[0-9]{1,10})" % job.sign.encode())
        self._process = client.start(
            ["-s", connection.serial, "shell", "-T", job.shell_text()], subprocess.PIPE
        )
        self._errors: deque[bytes] = deque()
        self._listener = threading.Thread(target=self._keep_errors, daemon=True)
        self._listener.start()
        self._poll = select.poll()
        self._poll.register(self._process.output_pipe, select.POLLIN)
        self._unread = bytearray()
        self._group = 0
        self._status: int | None = None
        self._broken: DeviceError | None = None
        try:
            self._await_start()
        except BaseException:
            self._abandon()
            raise

    def send_line(self, line: str) -> None:
        """Write one line; see ``Stream.send_line``."""
        try:
            self._process.input_pipe.write(f"{line}\n".encode())
            self._process.input_pipe.flush()
        except (OSError, ValueError) as error:
            self._raise_if_broken()
            raise DeviceError(f"{self._program} no longer reads: {error}") from error

    def read_line(self, timeout_s: float) -> str | None:
        """Return the next line, or None at the end; see ``Stream.read_line``."""
        self._raise_if_broken()
        if self._status is not None:
            return None
        line = self._next_line(time.monotonic() + timeout_s, timeout_s)
        if line is None:
            return None
        if found := self._sign.search(line):
            if found[1] == b"missing":
                raise self._missing()
            self._status = self._job.status(found[1])
            return None
        return line.decode(errors="replace")

    def last_words(self) -> str:
        """Return the end of standard error; see ``Stream.last_words``."""
        if self._status is not None or self._process.poll() is not None:
            self._listener.join(_KILLED_WITHIN_S)
        text = b"".join(list(self._errors))
        return self._sign.sub(b"", text)[-_LAST_WORDS_BYTES:].decode(errors="replace").strip()

    def close(self, timeout_s: float = 10) -> int:
        """End the input, wait, kill if need be; see ``Stream.close``.

        Raises:
            ConnectionLostError: it broke before the program ended.
        """
        with suppress(OSError):  # it may have died with our last line unread
            self._process.input_pipe.close()
        try:
            if self._status is None and self._broken is None and not self._drain(timeout_s):
                self.kill()
                self._drain(_KILLED_WITHIN_S)
        finally:
            self._abandon()
        self._raise_if_broken()
        if self._status is None:
            self._broken = self._connection.lost(f"{self._program} was being ended")
            raise self._broken
        return self._status

    def kill(self) -> None:
        """End the program at once, with all that it started; see ``Stream.kill``."""
        if self._status is not None or self._process.poll() is not None:
            return
        try:
            self._connection.kill(self._group)
        except DeviceError as error:
            self._broken = error
            self._process.kill()  # the phone's adbd notices, and ends the program

    def _await_start(self) -> None:
        line = self._next_line(time.monotonic() + _STARTS_WITHIN_S, _STARTS_WITHIN_S)
        found = self._sign.fullmatch(line or b"")
        if found is None:
            raise DeviceError(
                f"{self._connection.name} cannot run programs: {line!r} {self.last_words()}"
            )
        if found[1] == b"missing":
            raise self._missing()
        self._group = int(found[1])

    def _missing(self) -> CommandFailedError:
        return CommandFailedError(
            f"cannot start {self._program} on {self._connection.name}: there is no such program"
        )

    def _next_line(self, deadline: float, timeout_s: float) -> bytes | None:
        """Return bytes up to a line's end, or the longest part of a line that we take."""
        searched = 0
        while (end := self._unread.find(b"\n", searched)) < 0:
            if (searched := len(self._unread)) >= _LONGEST_LINE_BYTES:
                break
            left_ms = 1000 * (deadline - time.monotonic())
            if left_ms <= 0 or not self._poll.poll(left_ms):
                raise DeviceTimeoutError(f"{self._program} said nothing for {timeout_s:g} s")
            if not (block := os.read(self._process.output_pipe.fileno(), 1 << 16)):
                self._process.wait()
                self._broken = self._connection.lost(
                    f"{self._program} was running", self.last_words().encode()
                )
                raise self._broken
            self._unread += block
        line = bytes(self._unread[: end if end >= 0 else searched])
        del self._unread[: len(line) + (end >= 0)]
        return line

    def _drain(self, timeout_s: float) -> bool:
        """Read on until the program has ended; tell whether it has, or the connection."""
        deadline = time.monotonic() + timeout_s
        try:
            while self._status is None:
                if self.read_line(deadline - time.monotonic()) is None:
                    return True
        except DeviceTimeoutError:
            return False
        except DeviceError:
            return True
        return True

    def _keep_errors(self) -> None:
        kept = 0
        with suppress(OSError, ValueError):
            while block := os.read(self._process.error_pipe.fileno(), 1 << 12):
                self._errors.append(block)
                kept += len(block)
                while kept - len(self._errors[0]) > 2 * _LAST_WORDS_BYTES:
                    kept -= len(self._errors.popleft())

    def _raise_if_broken(self) -> None:
        if self._broken is not None:
            raise self._broken

    def _abandon(self) -> None:
        """Let go of adb."""
        if self._process.returncode is None:
            try:
                self._process.wait(0.5 if self._status is not None else 0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._listener.join(_KILLED_WITHIN_S)
        with suppress(OSError):
            self._process.input_pipe.close()
        self._process.output_pipe.close()
        self._process.error_pipe.close()
