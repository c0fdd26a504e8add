"""The adb program: starting it, and reading what it says within limits of time and size."""

from __future__ import annotations

import os
import selectors
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from ...tables.errors import DeviceError, DeviceTimeoutError, DeviceUnreachableError

_MOST_BYTES = 1 << 26
"""That a program may print: an agent's longest answer is a tenth of it."""
_BLOCK_BYTES = 1 << 16
_WATCHES_EVERY_S = 0.2


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
        """What adb complained about, on one line."""
        lines = (self.stderr + b"\n" + self.stdout).decode(errors="replace").splitlines()
        kept = [line.strip() for line in lines if line.strip() and not line.startswith("* ")]
        return "; ".join(kept[:4]) or f"adb exited with {self.exit_code}"


class AdbClient:
    """The adb program of this machine, and through it the server that it talks to.

    Which server that is, is the user's affair: adb reads ``ANDROID_ADB_SERVER_PORT`` and its like
    from the environment, and starts a server where none runs.

    Attributes:
        environment: added to this process's own.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self.environment = dict(environment or {})

    @property
    def program(self) -> str:
        """The path of adb; DeviceUnreachableError when it is not installed."""
        if found := shutil.which("adb", path=self._variables.get("PATH")):
            return found
        for name in ("ANDROID_HOME", "ANDROID_SDK_ROOT"):
            if home := self._variables.get(name):
                inside = Path(home) / "platform-tools" / "adb"
                if os.access(inside, os.X_OK):
                    return str(inside)
        raise DeviceUnreachableError(
            "adb is not installed, and phones are reached by it; on Debian: apt-get install adb"
        )

    def start(self, arguments: Sequence[str], stdin: int = subprocess.DEVNULL) -> Process:
        """Start adb in a session of its own, so that Ctrl-C reaches only us."""
        return Process(
            [self.program, *arguments],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._variables,
            start_new_session=True,
        )

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
            DeviceError: it printed more than 64 MiB, and was killed.
        """
        with self.start(arguments) as process:
            try:
                stdout, stderr = collect(process, timeout_s, watch)
                return Said(process.wait(), stdout, stderr)
            except TimeoutError:
                raise DeviceTimeoutError(
                    f"adb {arguments[0]} did not end within {timeout_s:g} s; "
                    "restart its server: adb kill-server"
                ) from None
            finally:
                process.kill()  # does nothing once it has ended

    @property
    def _variables(self) -> dict[str, str]:
        return {**os.environ, **self.environment}


class Process(subprocess.Popen[bytes]):
    """A child process with pipes."""

    @property
    def output_pipe(self) -> IO[bytes]:
        """What it prints."""
        return cast("IO[bytes]", self.stdout)

    @property
    def error_pipe(self) -> IO[bytes]:
        """What it prints to standard error."""
        return cast("IO[bytes]", self.stderr)

    @property
    def input_pipe(self) -> IO[bytes]:
        """What it reads."""
        return cast("IO[bytes]", self.stdin)


def collect(
    process: Process, timeout_s: float, watch: Callable[[], None] | None = None
) -> tuple[bytes, bytes]:
    """Read all that a process prints; TimeoutError when it has not ended by then.

    Raises:
        TimeoutError: it still runs; what it has printed is the error's ``args``.
        DeviceError: it prints more than 64 MiB.
    """
    deadline = time.monotonic() + timeout_s
    texts = {process.output_pipe: bytearray(), process.error_pipe: bytearray()}
    with selectors.DefaultSelector() as selector:
        for pipe in texts:
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError(*(bytes(text) for text in texts.values()))
            if watch is not None:
                watch()
                left_s = min(left_s, _WATCHES_EVERY_S)
            for key, _ in selector.select(left_s):
                pipe = cast("IO[bytes]", key.fileobj)
                if block := os.read(pipe.fileno(), _BLOCK_BYTES):
                    texts[pipe] += block
                else:
                    selector.unregister(pipe)
                if len(texts[pipe]) > _MOST_BYTES:
                    raise DeviceError(
                        f"more than {_MOST_BYTES >> 20} MiB were printed; nothing of ours does so"
                    )
    return bytes(texts[process.output_pipe]), bytes(texts[process.error_pipe])
