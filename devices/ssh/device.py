"""A machine that is reached over SSH, as a device."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import TYPE_CHECKING

from ...tables.errors import DeviceError, DeviceTimeoutError, RuntimeMissingError
from ..device import LONGEST_OUTPUT_BYTES, Completed
from ..facts import DeviceFacts, read_facts
from ..health import Health, read_health
from ..texts import clean
from .address import SshAddress
from .host_key import HostKey

if TYPE_CHECKING:
    from .config import Hop
    from .connect import Connection
    from .program import Program
    from .stream import SshStream

_ROOT = 'cd && printf %s "${XDG_CACHE_HOME:-$HOME/.cache}/sartor/device"'
_ROOT_S = 30.0


class SshDevice:
    """A machine with an SSH server. It is connected to when that is needed, and again after a loss.

    Several threads may use it at once, over one connection.

    Attributes:
        name: by which users address it.
        address: where it is.
        python: that runs agents there.
        remote: a connection lies between.
    """

    remote = True

    def __init__(
        self,
        name: str,
        address: SshAddress,
        root: PurePosixPath | None = None,
        python: str = "",
        *,
        config: Path | None = None,
        known_hosts: Path | None = None,
    ) -> None:
        """Connect to nothing yet.

        Args:
            name: by which users address it.
            address: where it is.
            root: for our files, by default ``sartor/device`` below its cache folder.
            python: that runs agents there, by default ``python3``.
            config: in place of the user's ``~/.ssh/config``.
            known_hosts: in place of Sartor's own ``known_hosts`` file.
        """
        self.name, self.address = name, address
        self.python = python or "python3"
        self._root = root
        self._config = config
        self._known_hosts = known_hosts or own_known_hosts()
        self._connection: Connection | None = None
        self._lock = Lock()

    @property
    def root(self) -> PurePosixPath:
        """A folder on the device for our files; the device is asked once where that is."""
        if self._root is None:
            done = self.run(["sh", "-c", _ROOT], _ROOT_S)
            if done.exit_code or not done.stdout.startswith("/"):
                raise DeviceError(
                    f"{self.name} has no home folder for {self.address}: {clean(done.stderr)}; "
                    "give the account one, or set root for the device"
                )
            self._root = PurePosixPath(done.stdout)
        return self._root

    def run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        """Run a program to its end; see ``Device.run``."""
        program = self._start(argv, {})
        deadline_s = time.monotonic() + timeout_s
        try:
            exit_code = self._finish(program, deadline_s)
            if exit_code is None:
                raise DeviceTimeoutError(
                    f"{argv[0]} on {self.name} did not end within {timeout_s:g} s and was killed"
                )
        except BaseException:
            with suppress(DeviceError):
                program.kill()  # does nothing once it has ended
            raise
        finally:
            program.release()
        return Completed(exit_code, _text(program.output), _text(program.errors))

    def push(self, local: Path, remote: PurePosixPath) -> None:
        """Copy a file to the device whole or not at all; see ``Device.push``."""
        from .transfer import push

        push(self._start_shell, local, remote)

    def pull(self, remote: PurePosixPath, local: Path) -> None:
        """Copy a file from the device whole or not at all; see ``Device.pull``."""
        from .transfer import pull

        pull(self._start_shell, remote, local)

    def open_stream(self, argv: Sequence[str], environment: Mapping[str, str]) -> SshStream:
        """Start a program and talk to it; see ``Device.open_stream``."""
        from .stream import SshStream

        return SshStream(self._start(argv, environment))

    def facts(self) -> DeviceFacts:
        """Return what the device is."""
        return read_facts(self)

    def health(self) -> Health:
        """Return how the device is right now."""
        return read_health(self)

    def fetch_host_key(self, fingerprint: str = "") -> HostKey:
        """Ask it for its host key, so that the user can be asked whether that is the right one.

        Behind jump hosts, it is the key of the first host on the way that is not known yet.

        Args:
            fingerprint: of the key that is expected, ``SHA256:…``; a host may have several keys.

        Raises:
            DeviceUnreachableError: a host of the way does not answer.
            HostKeyError: a fingerprint was given, and no key of the host has it.
            FormatError: the fingerprint is none.
        """
        with _needing_paramiko():
            from .accept import fetch_host_key
            from .trust import Trust
        return fetch_host_key(self._route(), Trust(self.name, self._known_hosts), fingerprint)

    def trust_host_key(self, key: HostKey) -> None:
        """Write down that a key is right; it takes the place of those accepted before.

        Raises:
            OutputError: Sartor's ``known_hosts`` file cannot be written.
        """
        with _needing_paramiko():
            from .accept import record_host_key
        record_host_key(key, self._known_hosts)

    def close(self) -> None:
        """End the connection; whatever is asked next makes a new one."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _finish(self, program: Program, deadline_s: float) -> int | None:
        program.end_input()
        while not program.has_ended_output and program.read(deadline_s):
            if max(len(program.output), len(program.errors)) > LONGEST_OUTPUT_BYTES:
                raise DeviceError(
                    f"{program.name} on {self.name} was killed, because it wrote more than "
                    f"{LONGEST_OUTPUT_BYTES >> 20} MiB"
                )
        return program.wait(deadline_s)

    def _start_shell(self, argv: list[str]) -> Program:
        return self._start(argv, {})

    def _start(self, argv: Sequence[str], environment: Mapping[str, str]) -> Program:
        from .program import Program

        return Program(self._connected(), argv, environment)

    def _connected(self) -> Connection:
        """Return a connection that is alive as far as is known."""
        with _needing_paramiko():
            from .connect import connect
            from .trust import Trust
        with self._lock:
            if self._connection is None or not self._connection.is_alive:
                if self._connection is not None:
                    self._connection.close()
                    self._connection = None
                trust = Trust(self.name, self._known_hosts)
                self._connection = connect(self.name, self._route(), trust)
            return self._connection

    def _route(self) -> tuple[Hop, ...]:
        with _needing_paramiko():
            from .config import find_route
        return find_route(self.address, self._config)


def own_known_hosts() -> Path:
    """Return where Sartor writes the host keys that users accept.

    The user's own file is only read: what ``ssh`` may trust is for the user to say.
    """
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "sartor" / "known_hosts"


def _text(content: bytearray) -> str:
    return bytes(content).decode(errors="replace")


@contextmanager
def _needing_paramiko() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise RuntimeMissingError(
            "devices over SSH need paramiko; install it with: pip install 'sartor[ssh]'"
        ) from error
