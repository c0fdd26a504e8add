"""A device whose use can be stopped from another thread."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from threading import Event
from typing import TYPE_CHECKING

from ..tables.errors import DeviceTimeoutError, StoppedError
from .view import View

if TYPE_CHECKING:
    from .device import Device, Stream
    from .facts import DeviceFacts
    from .health import Health

_GLANCE_S = 0.5
"""How long a stream is listened to before we look whether all is to stop."""

_GOODBYE_S = 3.0
"""For a program to end what it is at."""


class Stop:
    """Tells threads, once and for all, to end what they do."""

    def __init__(self) -> None:
        self._asked = Event()

    @property
    def asked(self) -> bool:
        """Whether all is to end."""
        return self._asked.is_set()

    def ask(self) -> None:
        """Let all end."""
        self._asked.set()

    def check(self) -> None:
        """Raise StoppedError if all is to end."""
        if self.asked:
            raise StoppedError("it was stopped; the same command goes on from here")


class StoppableDevice(View):
    """A device on which nothing new begins, and nothing is waited for, once all is to stop.

    What then raises is StoppedError, in the thread that uses the device, so that whatever that
    thread holds is given back in order: for this, programs still run to their end, and streams
    close.

    Attributes:
        device: that it is; where its connection may break, one that outlasts that
            (``devices.patient``).
        stop: tells when all is to end.
    """

    def __init__(self, device: Device, stop: Stop) -> None:
        super().__init__(device)
        self.stop = stop

    def push(self, local: Path, remote: PurePosixPath) -> None:
        """Copy a file to the device; see ``Device.push``."""
        self.stop.check()
        self.device.push(local, remote)

    def pull(self, remote: PurePosixPath, local: Path) -> None:
        """Copy a file from the device; see ``Device.pull``."""
        self.stop.check()
        self.device.pull(remote, local)

    def open_stream(self, argv: Sequence[str], environment: Mapping[str, str]) -> StoppableStream:
        """Start a program and talk to it; see ``Device.open_stream``."""
        self.stop.check()
        stream = self.device.open_stream(argv, environment)
        return StoppableStream(stream, self.stop, argv[0])

    def facts(self) -> DeviceFacts:
        """Return what it is."""
        self.stop.check()
        return self.device.facts()

    def health(self) -> Health:
        """Return how it is right now."""
        self.stop.check()
        return self.device.health()


class StoppableStream:
    """A program on a device that is no longer listened to once all is to stop."""

    def __init__(self, stream: Stream, stop: Stop, program: str) -> None:
        self._stream, self._stop, self._program = stream, stop, program

    def send_line(self, line: str) -> None:
        """Write one line; see ``Stream.send_line``."""
        self._stop.check()
        self._stream.send_line(line)

    def read_line(self, timeout_s: float) -> str | None:
        """Return the next line, or None at the end; see ``Stream.read_line``."""
        deadline = time.monotonic() + timeout_s
        while True:
            self._stop.check()
            left_s = deadline - time.monotonic()
            try:
                return self._stream.read_line(min(_GLANCE_S, max(0.0, left_s)))
            except DeviceTimeoutError as error:
                if left_s <= _GLANCE_S:
                    raise DeviceTimeoutError(
                        f"{self._program} said nothing for {timeout_s:g} s"
                    ) from error

    def last_words(self) -> str:
        """Return the end of what it wrote to standard error; see ``Stream.last_words``."""
        return self._stream.last_words()

    def close(self, timeout_s: float = 10) -> int:
        """End it, without much patience once all is to stop; see ``Stream.close``."""
        return self._stream.close(min(timeout_s, _GOODBYE_S) if self._stop.asked else timeout_s)

    def kill(self) -> None:
        """End it at once; see ``Stream.kill``."""
        self._stream.kill()
