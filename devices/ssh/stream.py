"""Talking in lines to a program on a device."""

from __future__ import annotations

import time
from contextlib import suppress

from ...tables.errors import DeviceError, DeviceTimeoutError
from ..device import LONGEST_LINE_BYTES
from .program import Program

_SEND_S = 120.0
_KILL_S = 10.0


class SshStream:
    """A program on a device; it does not outlive the connection for long."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._exit_code: int | None = None

    def send_line(self, line: str) -> None:
        """Write one line; see ``Stream.send_line``."""
        self._program.write(f"{line}\n".encode(), _SEND_S)

    def read_line(self, timeout_s: float) -> str | None:
        """Return the next line, or None at the end; see ``Stream.read_line``."""
        deadline_s = time.monotonic() + timeout_s
        searched = 0
        while (end := self._program.output.find(b"\n", searched)) < 0:
            if (searched := len(self._program.output)) >= LONGEST_LINE_BYTES:
                break
            if not self._program.read(deadline_s):
                raise DeviceTimeoutError(f"{self._program.name} said nothing for {timeout_s:g} s")
            self._program.forget_errors()
            if len(self._program.output) == searched and self._program.has_ended_output:
                return None
        line = bytes(self._program.output[: end if end >= 0 else searched])
        del self._program.output[: len(line) + (end >= 0)]
        return line.decode(errors="replace")

    def last_words(self) -> str:
        """Return the end of standard error; see ``Stream.last_words``."""
        return self._program.last_words()

    def close(self, timeout_s: float = 10) -> int:
        """End the input, wait, kill if need be; see ``Stream.close``."""
        if self._exit_code is None:
            self._program.end_input()
            self._exit_code = self._ended(time.monotonic() + timeout_s)
            if self._exit_code is None:
                self.kill()
                self._exit_code = self._ended(time.monotonic() + _KILL_S)
            if self._exit_code is None:
                self._program.release()
                raise DeviceTimeoutError(f"{self._program.name} does not end, though it was killed")
        return self._exit_code

    def kill(self) -> None:
        """End the program at once; see ``Stream.kill``."""
        with suppress(DeviceError):  # close says what has become of it
            self._program.kill()

    def _ended(self, deadline_s: float) -> int | None:
        """Wait for the end; what is still said counts no more."""
        while not self._program.has_ended_output:
            if not self._program.read(deadline_s):
                return None
            self._program.output.clear()
            self._program.forget_errors()
        return self._program.wait(deadline_s)
