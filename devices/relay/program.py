"""The program that a relay keeps: its pipes, and how it ended."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress

_BLOCK = 1 << 16


class Program:
    """A program in a session of its own, whose pipes never make us wait.

    Attributes:
        status: its exit code, or minus the number of the signal that ended it; None while it runs.
        words: the end of what it wrote to standard error.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, argv: list[str], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
            start_new_session=True,
            bufsize=0,
        )
        pipes = (self._process.stdin, self._process.stdout, self._process.stderr)
        numbers = [os.dup(pipe.fileno()) for pipe in pipes if pipe is not None]
        for pipe in pipes:
            if pipe is not None:
                pipe.close()
        for fd in numbers:
            os.set_blocking(fd, False)
        self.input: int | None = numbers[0]
        self.output: int | None = numbers[1]
        self.errors: int | None = numbers[2]
        self.status: int | None = None
        self.words = b""

    def write(self, content: bytes) -> int:
        """Write some bytes; return how many, -1 when it no longer reads."""
        if self.input is None:
            return -1
        try:
            return os.write(self.input, content)
        except BlockingIOError:
            return 0
        except OSError:
            self.end_input()
            return -1

    def read(self) -> bytes:
        """Return what it wrote; nothing at its end, at which ``output`` is None, or just now."""
        content = _read(self.output)
        if content is None:
            self.end_output()
        return content or b""

    def read_errors(self, keep: int) -> bool:
        """Keep the end of its standard error; tell whether there was anything new."""
        content = _read(self.errors)
        if content is None and self.errors is not None:
            os.close(self.errors)
            self.errors = None
        self.words = (self.words + (content or b""))[-keep:]
        return bool(content)

    def end_input(self) -> None:
        """Let it read no more."""
        if self.input is not None:
            os.close(self.input)
            self.input = None

    def end_output(self) -> None:
        """Let it write no more."""
        if self.output is not None:
            os.close(self.output)
            self.output = None

    def reap(self) -> bool:
        """Tell whether it has ended since we last looked."""
        if self.status is not None or self._process.poll() is None:
            return False
        self.status = self._process.returncode
        return True

    def kill(self) -> None:
        """End it, and whatever it has started in its session."""
        with suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)


def _read(fd: int | None) -> bytes | None:
    """Read a block of what is there: nothing for nothing yet, None at the end."""
    if fd is None:
        return None
    try:
        return os.read(fd, _BLOCK) or None
    except BlockingIOError:
        return b""
    except OSError:
        return None
