"""What every transport offers: the Device protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .facts import DeviceFacts
    from .health import Health


@dataclass(frozen=True, slots=True)
class Completed:
    """What a finished command left behind; a non-zero exit code is data, not an error."""

    exit_code: int
    stdout: str
    stderr: str


class Stream(Protocol):
    """A program on the device that reads lines and writes lines."""

    def send_line(self, line: str) -> None:
        """Write one line to the program; DeviceError when it no longer reads.

        Pipes hold some tens of kilobytes: who sends more than that ahead of reading may wait for
        a program that waits in turn.
        """

    def read_line(self, timeout_s: float) -> str | None:
        """Return the next line without its end, or None once the program has closed its output.

        Raises:
            DeviceTimeoutError: no whole line came within ``timeout_s`` seconds.
        """

    def last_words(self) -> str:
        """Return the end of what the program wrote to standard error."""

    def close(self, timeout_s: float = 10) -> int:
        """End the program's input, wait for it, kill it when it takes too long.

        It may be called again.

        Returns:
            The program's exit code; minus a signal's number when that ended it.
        """

    def kill(self) -> None:
        """End the program at once; ``close`` has still to be called."""


class Device(Protocol):
    """A machine that holds files and runs programs. Every wait has a timeout."""

    @property
    def name(self) -> str:
        """The name by which users address it."""

    @property
    def root(self) -> PurePosixPath:
        """A folder on the device for our files, private to us."""

    @property
    def python(self) -> str:
        """The Python interpreter that runs agents there."""

    def run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        """Run a program to its end.

        Raises:
            CommandFailedError: there is no such program.
            DeviceTimeoutError: it did not end within ``timeout_s`` seconds; it was killed.
        """

    def push(self, local: Path, remote: PurePosixPath) -> None:
        """Copy a file to the device whole or not at all, with the folders that it needs."""

    def pull(self, remote: PurePosixPath, local: Path) -> None:
        """Copy a file from the device whole or not at all."""

    def open_stream(self, argv: Sequence[str], environment: Mapping[str, str]) -> Stream:
        """Start a program and talk to it; ``environment`` is added to the device's own.

        Raises:
            CommandFailedError: there is no such program.
        """

    def facts(self) -> DeviceFacts:
        """Return what the device is."""

    def health(self) -> Health:
        """Return how the device is right now."""
