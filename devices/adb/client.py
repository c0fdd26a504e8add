"""The adb program of this machine, which does all the talking to phones."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...tables.errors import DeviceTimeoutError, DeviceUnreachableError
from .process import Process, collect

_MOST_COMPLAINTS = 3


@dataclass(frozen=True, slots=True)
class Said:
    """What adb left behind.

    Attributes:
        exit_code: of adb, which is 0 also when a connection broke.
        stdout: what it, or a program on the phone, printed.
        stderr: the same of errors.
    """

    exit_code: int
    stdout: bytes
    stderr: bytes

    @property
    def complaint(self) -> str:
        """What adb complains about, on one line: progress and news of its server are left out."""
        text = (self.stderr + b"\n" + self.stdout).decode(errors="replace")
        lines = [line.strip() for line in text.splitlines()]
        lines = [line for line in lines if line and not line.startswith(("* ", "[", "List of"))]
        errors = [line for line in lines if "error:" in line] or lines
        return "; ".join(errors[:_MOST_COMPLAINTS]) or f"adb exited with {self.exit_code}"


class AdbClient:
    """The adb program, and through it the server that it talks to.

    Which server that is, is the user's affair: adb reads ``ANDROID_ADB_SERVER_PORT`` and its like
    from the environment, and starts a server where none runs.

    Attributes:
        variables: the environment in which adb runs.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._added = dict(environment or {})

    @property
    def variables(self) -> dict[str, str]:
        """This process's own at the moment, and what was added."""
        return {**os.environ, **self._added}

    @property
    def program(self) -> str:
        """The path of adb; DeviceUnreachableError when it is not installed."""
        variables = self.variables
        if found := shutil.which("adb", path=variables.get("PATH")):
            return found
        for name in ("ANDROID_HOME", "ANDROID_SDK_ROOT"):
            if home := variables.get(name):
                inside = Path(home) / "platform-tools" / "adb"
                if os.access(inside, os.X_OK):
                    return str(inside)
        raise DeviceUnreachableError(
            "adb, by which phones are reached, is not installed; on Debian: apt-get install adb"
        )

    def start(self, arguments: Sequence[str], stdin: int = subprocess.DEVNULL) -> Process:
        """Start adb in a session of its own, so that Ctrl-C reaches only us."""
        program = self.program
        try:
            return Process(
                [program, *arguments],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self.variables,
                start_new_session=True,
            )
        except OSError as error:
            raise DeviceUnreachableError(
                f"{program} cannot be started: {error.strerror}; install it again"
            ) from error

    def ask(
        self, arguments: Sequence[str], timeout_s: float, watch: Callable[[], None] | None = None
    ) -> Said:
        """Run adb to its end.

        Args:
            arguments: of adb.
            timeout_s: by which it has to end.
            watch: is called now and then while it runs, and may raise.

        Raises:
            DeviceUnreachableError: adb is not installed.
            DeviceTimeoutError: it did not end in time, and was killed.
            DeviceError: it printed too much, and was killed.
        """
        with self.start(arguments) as process:
            try:
                stdout, stderr = collect(process, timeout_s, watch)
                return Said(process.wait(), stdout, stderr)
            except TimeoutError:
                raise DeviceTimeoutError(
                    f"adb {' '.join(arguments)[:80]} did not end within {timeout_s:g} s and was "
                    "killed; when that goes on, restart adb's server: adb kill-server"
                ) from None
            finally:
                process.kill()  # does nothing once it has ended
