"""A phone as a device, over ADB."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from ...tables.errors import (
    CommandFailedError,
    DeviceError,
    DeviceTimeoutError,
    FormatError,
)
from ..device import Completed
from ..facts import DeviceFacts, read_facts
from ..health import Health, read_health
from . import transfer
from .client import AdbClient
from .connection import SHELL_V2, Connection, cannot_run
from .job import Ended, Job
from .process import collect
from .stream import AdbStream

ROOT = PurePosixPath("/data/local/tmp/sartor")
"""The user ``shell`` may run programs only below this one's parent."""


class AdbDevice:
    """A phone, a tablet or a board with Android.

    What its adbd cannot do: before Android 7 (no shell v2), standard error is kept in a file below
    the root until the program ends, and there are no streams.

    Attributes:
        name: by which users address it.
        remote: it is.
        serial: by which adb addresses it: as ``adb devices`` lists it, or HOST:PORT.
        root: for our files.
        python: that runs agents; phones bring none.
        left: parts of files that may still be there because a connection broke.
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
        self.root = checked_root(root or ROOT)
        self.python = python or "python3"
        self.connection = Connection(client or AdbClient(), name, serial)
        self.left: deque[PurePosixPath] = deque()

    def run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        """Run a program to its end; see ``Device.run``.

        A program that exits with 129 to 192 by itself is told as ended by a signal: the phone's
        shell tells no more.
        """
        job = Job(argv)
        ended = self.connection.insist(lambda: self._attempt(job, timeout_s))
        if ended.exit_code is None:
            raise self.connection.lost(f"{argv[0]} was running", _text(ended.stderr))
        if ended.missing:
            raise CommandFailedError(
                f"cannot start {argv[0]} on {self.name}: "
                f"{_text(ended.stderr).strip()[-200:] or 'there is no such program'}"
            )
        if not ended.group:
            raise cannot_run(self.connection, _text(ended.stderr))
        return Completed(ended.exit_code, _text(ended.stdout), _text(ended.stderr))

    def push(self, local: Path, remote: PurePosixPath) -> None:
        """Copy a file whole or not at all, and checked; see ``Device.push``.

        Who may run it here, may run it there.
        """
        transfer.push(self, local, remote)

    def pull(self, remote: PurePosixPath, local: Path) -> None:
        """Copy a file whole or not at all, and checked; see ``Device.pull``."""
        transfer.pull(self, remote, local)

    def open_stream(self, argv: Sequence[str], environment: Mapping[str, str]) -> AdbStream:
        """Start a program and talk to it; see ``Device.open_stream``."""
        if SHELL_V2 not in self.connection.features():
            raise DeviceError(
                f"{self.name} is too old to talk to its programs: that takes Android 7 or later"
            )
        job = Job(argv, environment)
        return self.connection.insist(lambda: AdbStream(self.connection, job))

    def facts(self) -> DeviceFacts:
        """Return what the phone is."""
        return read_facts(self)

    def health(self) -> Health:
        """Return how the phone is right now."""
        return read_health(self)

    def copy(
        self, arguments: Sequence[str], timeout_s: float, watch: Callable[[], None] | None = None
    ) -> None:
        """Let adb push or pull.

        Args:
            arguments: of adb, ``push`` or ``pull`` first.
            timeout_s: by which it has to end.
            watch: is called now and then meanwhile, and may raise.

        Raises:
            ConnectionLostError: the connection broke.
            DeviceTimeoutError: it took too long.
            DeviceError: the phone refused; adb's words.
        """

        def attempt() -> None:
            arguments_here = ["-s", self.serial, *arguments]
            said = self.connection.client.ask(arguments_here, timeout_s, watch)
            if said.exit_code == 0:
                return
            self.connection.check_begun(said.complaint)
            # What the phone itself refuses, adb calls remote: "remote couldn't create file: ...".
            if ": remote " in said.complaint or "remote object" in said.complaint:
                raise DeviceError(said.complaint)
            raise self.connection.lost(f"a file was copied (adb {arguments[0]})", said.complaint)

        self.connection.insist(attempt)

    def _attempt(self, job: Job, timeout_s: float) -> Ended:
        """Run a job; an end that never came is data."""
        apart = SHELL_V2 in self.connection.features()
        text = job.shell_text(None if apart else self.root)
        arguments = ["-s", self.serial, *self.connection.shell(), text]
        with self.connection.client.start(arguments) as adb:
            try:
                stdout, stderr = collect(adb, timeout_s)
            except TimeoutError as error:
                adb.kill()
                self.connection.kill(job.read(*error.args, apart=apart).group)
                raise DeviceTimeoutError(
                    f"{job.argv[0]} on {self.name} did not end within {timeout_s:g} s "
                    "and was killed"
                ) from None
            except DeviceError as error:
                raise DeviceError(f"{job.argv[0]} on {self.name} was killed: {error}") from error
            finally:
                adb.kill()  # and the phone kills what still runs
        ended = job.read(stdout, stderr, apart=apart)
        if ended.exit_code is None and not ended.group:
            self.connection.check_begun(_text(stderr))
        return ended


def checked_root(root: PurePosixPath) -> PurePosixPath:
    """Return a folder that is ours alone, and may be deleted with all that is in it.

    Raises:
        FormatError: it is not absolute, or by its name it may be somebody else's.
    """
    if not root.is_absolute() or ".." in root.parts or not root.name.startswith(ROOT.name):
        raise FormatError(
            f"{root} cannot be the folder for our files on a phone: it may be deleted, so its name "
            f"has to begin with {ROOT.name}, as that of {ROOT} does"
        )
    return root


def _text(content: bytes) -> str:
    return content.decode(errors="replace")
