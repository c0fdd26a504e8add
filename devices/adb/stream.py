"""A program on a phone that reads lines and writes lines."""

from __future__ import annotations

import os
import select
import subprocess
import threading
import time
from collections import deque
from contextlib import suppress

from ...tables.errors import (
    CommandFailedError,
    DeviceError,
    DeviceTimeoutError,
)
from .connection import Connection, cannot_run
from .job import Job

_LAST_WORDS_BYTES = 2000
_LONGEST_LINE_BYTES = 1 << 26
_STARTS_WITHIN_S = 30.0
_ENDS_WITHIN_S = 10.0


class AdbStream:
    """A program on the phone; it ends when the connection does.

    ``read_line`` returns None once the program has ended; whether it has closed its output before,
    cannot be told from here. When the connection breaks, every method but ``kill`` raises
    ConnectionLostError from then on.
    """

    def __init__(self, connection: Connection, job: Job) -> None:
        self._connection, self._job = connection, job
        self._program, self._pattern = job.argv[0], job.pattern
        arguments = ["-s", connection.serial, "shell", "-T", job.shell_text()]
        self._adb = connection.client.start(arguments, subprocess.PIPE)
        self._errors: deque[bytes] = deque()
        self._listener = threading.Thread(target=self._keep_errors, daemon=True)
        self._listener.start()
        self._poll = select.poll()
        self._poll.register(self._adb.output_pipe, select.POLLIN)
        self._unread = bytearray()
        self._group = 0
        self._status: int | None = None
        self._broken: DeviceError | None = None
        try:
            self._await_start()
        except BaseException:
            self._let_go()
            raise

    def send_line(self, line: str) -> None:
        """Write one line; see ``Stream.send_line``."""
        self._raise_if_broken()
        try:
            self._adb.input_pipe.write(f"{line}\n".encode())
            self._adb.input_pipe.flush()
        except (OSError, ValueError) as error:
            self._find_out_why()
            raise DeviceError(f"{self._program} no longer reads: it has ended") from error

    def read_line(self, timeout_s: float) -> str | None:
        """Return the next line, or None at the end; see ``Stream.read_line``."""
        self._raise_if_broken()
        if self._status is not None:
            return None
        line = self._next_line(time.monotonic() + timeout_s, timeout_s)
        if line is None:
            raise self._break("was running")
        if (found := self._pattern.search(line + b"\n")) is None:
            return line.decode(errors="replace")
        if found["word"]:
            self._broken = self._missing()
            raise self._broken
        self._status = self._job.status(found["number"])
        return None

    def last_words(self) -> str:
        """Return the end of standard error; see ``Stream.last_words``."""
        if self._status is not None or self._adb.poll() is not None:
            self._listener.join(_ENDS_WITHIN_S)
        text = self._pattern.sub(b"", b"".join(list(self._errors)))
        return text[-_LAST_WORDS_BYTES:].decode(errors="replace").strip()

    def close(self, timeout_s: float = 10) -> int:
        """End the input, wait, kill if need be; see ``Stream.close``.

        Raises:
            ConnectionLostError: it broke before the program ended.
        """
        with suppress(OSError):  # it may have died with our last line unread
            self._adb.input_pipe.close()
        try:
            if not self._over and not self._read_on(timeout_s):
                self.kill()
                self._read_on(_ENDS_WITHIN_S)
        finally:
            self._let_go()
        if self._status is None:
            raise self._broken or DeviceTimeoutError(
                f"{self._program} on {self._connection.name} cannot be ended; restart the phone"
            )
        return self._status

    def kill(self) -> None:
        """End the program at once, with all that it started; see ``Stream.kill``.

        Where the connection broke, the phone does so by itself.
        """
        if self._over or self._adb.poll() is not None:
            return
        try:
            self._connection.kill(self._group)
        except DeviceError as error:
            self._broken = error
            self._adb.kill()

    @property
    def _over(self) -> bool:
        return self._status is not None or self._broken is not None

    def _await_start(self) -> None:
        """Read the sign of the start, which is the first that comes."""
        line = self._next_line(time.monotonic() + _STARTS_WITHIN_S, _STARTS_WITHIN_S)
        if line is None:
            self._listener.join(_ENDS_WITHIN_S)
            self._connection.check_begun(self.last_words())
            raise self._break("was being started")
        found = self._pattern.fullmatch(line + b"\n")
        if found is None or found["of"] == b"status":
            self._listener.join(_ENDS_WITHIN_S)
            raise cannot_run(self._connection, self.last_words() or line.decode(errors="replace"))
        if found["word"]:
            raise self._missing()
        self._group = int(found["number"])

    def _missing(self) -> CommandFailedError:
        return CommandFailedError(
            f"cannot start {self._program} on {self._connection.name}: there is no such program, "
            "or it may not be run"
        )

    def _break(self, what: str) -> DeviceError:
        self._listener.join(_ENDS_WITHIN_S)
        self._broken = self._connection.lost(f"{self._program} {what}", self.last_words())
        return self._broken

    def _next_line(self, deadline: float, timeout_s: float) -> bytes | None:
        """Return bytes up to a line's end, or the longest part that we take; None at the end."""
        searched = 0
        while (end := self._unread.find(b"\n", searched)) < 0:
            if (searched := len(self._unread)) >= _LONGEST_LINE_BYTES:
                break
            left_ms = 1000 * (deadline - time.monotonic())
            if left_ms <= 0 or not self._poll.poll(left_ms):
                raise DeviceTimeoutError(f"{self._program} said nothing for {timeout_s:g} s")
            if not (block := os.read(self._adb.output_pipe.fileno(), 1 << 16)):
                return None
            self._unread += block
        line = bytes(self._unread[: end if end >= 0 else searched])
        del self._unread[: len(line) + (end >= 0)]
        return line

    def _read_on(self, timeout_s: float) -> bool:
        """Read on until the program has ended; tell whether it has, or the connection."""
        deadline = time.monotonic() + timeout_s
        try:
            while not self._over:
                self.read_line(deadline - time.monotonic())
        except DeviceTimeoutError:
            return False
        except DeviceError:
            pass  # kept, and raised by whoever reads on
        return True

    def _find_out_why(self) -> None:
        """Where adb has ended, read what it left; raise when the connection broke."""
        self._read_on(_ENDS_WITHIN_S)
        self._raise_if_broken()

    def _keep_errors(self) -> None:
        kept = 0
        with suppress(OSError, ValueError):
            while block := os.read(self._adb.error_pipe.fileno(), 1 << 12):
                self._errors.append(block)
                kept += len(block)
                while kept - len(self._errors[0]) > 2 * _LAST_WORDS_BYTES:
                    kept -= len(self._errors.popleft())

    def _raise_if_broken(self) -> None:
        if self._broken is not None:
            raise self._broken

    def _let_go(self) -> None:
        """End adb, if it has not ended by itself."""
        with suppress(subprocess.TimeoutExpired):
            self._adb.wait(1 if self._status is not None else 0)
        self._adb.kill()
        self._adb.wait()
        self._listener.join(_ENDS_WITHIN_S)
        with suppress(OSError):
            self._adb.input_pipe.close()
        self._adb.output_pipe.close()
        self._adb.error_pipe.close()
