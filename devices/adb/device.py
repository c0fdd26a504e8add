"""A phone as a device, over ADB."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from ...tables.errors import (
    CommandFailedError,
    DeviceError,
    DeviceTimeoutError,
    DeviceUnreachableError,
    FormatError,
)
from ..device import Completed
from ..facts import DeviceFacts, read_facts
from ..health import Health, read_health
from . import transfer
from .client import AdbClient, Said, collect
from .connection import Connection
from .job import Ended, Job
from .stream import AdbStream

ROOT = PurePosixPath("/data/local/tmp/sartor")
"""Of all folders of a phone, the user ``shell`` may run programs only below this one's parent."""


class AdbDevice:
    """A phone, a tablet or a board with Android.

    Attributes:
        name: by which users address it.
        remote: it is.
        serial: by which adb addresses it: as ``adb devices`` lists it, or HOST:PORT.
        root: for our files.
        python: that runs agents; phones bring none.
    """

    remote = True

    def __init__(
        self,
        name: str,
        serial: str,
        root: PurePosixPath | None = None,
        python: str = "",
        client: AdbClient | None = None,
    ) -> None:
        if not serial or serial.startswith("-") or any(ord(sign) <= 32 for sign in serial):
            raise FormatError(f"{serial!r} cannot be a phone's serial; adb devices lists them")
        self.name, self.serial = name, serial
        self.root = root or ROOT
        self.python = python or "python3"
        self._client = client or AdbClient()
        self._connection = Connection(self._client, name, serial)

    def run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        """Run a program to its end; see ``Device.run``.

        An exit code of 129 to 192, with which a program may also exit by itself, is told as minus
        a signal's number: the phone's shell tells no more.
        """
        job = Job(argv)
        ended = self._attempt(job, timeout_s)
        if (
            ended.exit_code is None
            and not ended.group
            and self._connection.never_began(ended.stderr)
        ):
            self._connection.forget()  # it was lost before; nothing was done
            ended = self._attempt(job, timeout_s)
            if ended.exit_code is None and self._connection.never_began(ended.stderr):
                self._connection.forget()
                raise DeviceUnreachableError(
                    f"{self.name} ({self.serial}) cannot be reached: {_last_line(ended.stderr)}"
                )
        if ended.exit_code is None:
            raise self._connection.lost(f"{argv[0]} was running", ended.stderr)
        if ended.missing:
            raise CommandFailedError(
                f"cannot start {argv[0]} on {self.name}: {_last_line(ended.stderr) or 'not found'}"
            )
        if not ended.group:
            raise DeviceError(f"{self.name} cannot run programs: {_last_line(ended.stderr)}")
        return Completed(ended.exit_code, _text(ended.stdout), _text(ended.stderr))

    def push(self, local: Path, remote: PurePosixPath) -> None:
        """Copy a file whole or not at all; see ``Device.push``."""
        transfer.push(self, local, remote)

    def pull(self, remote: PurePosixPath, local: Path) -> None:
        """Copy a file whole or not at all; see ``Device.pull``."""
        transfer.pull(self, remote, local)

    def open_stream(self, argv: Sequence[str], environment: Mapping[str, str]) -> AdbStream:
        """Start a program and talk to it; see ``Device.open_stream``."""
        self._connection.features()
        return AdbStream(self._client, self._connection, Job(argv, environment))

    def facts(self) -> DeviceFacts:
        """Return what the phone is."""
        return read_facts(self)

    def health(self) -> Health:
        """Return how the phone is right now."""
        return read_health(self)

    def copy(
        self, arguments: Sequence[str], timeout_s: float, watch: Callable[[], None] | None = None
    ) -> Said:
        """Let adb push or pull.

        Raises:
            ConnectionLostError: the connection broke.
            DeviceError: the phone refused, or did not take part in time; adb's words.
        """
        self._connection.features()
        said = self._client.ask(["-s", self.serial, *arguments], timeout_s, watch)
        if said.exit_code and "remote" in said.complaint:
            raise DeviceError(said.complaint)
        if said.exit_code:
            raise self._connection.lost(f"a file was being copied ({arguments[0]})", said.stderr)
        return said

    def _attempt(self, job: Job, timeout_s: float) -> Ended:
        """Run a job; an end that never came is data."""
        self._connection.features()
        with self._client.start(["-s", self.serial, "shell", "-n", "-T", job.shell_text()]) as adb:
            try:
                stdout, stderr = collect(adb, timeout_s)
            except TimeoutError as error:
                adb.kill()
                ended = job.read(*error.args)
                self._connection.kill(ended.group)
                raise DeviceTimeoutError(
                    f"{job.argv[0]} on {self.name} did not end within {timeout_s:g} s "
                    "and was killed"
                ) from None
            finally:
                adb.kill()
        return job.read(stdout, stderr)


def _text(content: bytes) -> str:
    return content.decode(errors="replace")


def _last_line(stderr: bytes) -> str:
    lines = [line.strip() for line in _text(stderr).splitlines() if line.strip()]
    return lines[-1] if lines else ""
