"""A peer: the host, as a relay sees it through one attachment."""

from __future__ import annotations

import socket
from contextlib import suppress

from .frames import LONGEST, Frame, FrameError, frame, read_frame

_BLOCK = 1 << 16
_ENOUGH = 1 << 16


class Peer:
    """One connection, on which nothing makes us wait.

    Attributes:
        welcome: whether it has said what it has.
        sent: number of the byte of output that it is to be sent next.
        told: number of bytes of input of whose arrival it knows.
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(0)
        self._connection = connection
        self.welcome, self.sent, self.told = False, 0, 0
        self._unread, self._unsent = bytearray(), bytearray()
        self._knows: dict[str, tuple[object, ...]] = {}

    def fileno(self) -> int:
        """Return what it is known by to the kernel."""
        return self._connection.fileno()

    @property
    def waits(self) -> bool:
        """Whether something has still to be sent to it."""
        return bool(self._unsent)

    @property
    def full(self) -> bool:
        """Whether enough has still to be sent to it."""
        return len(self._unsent) >= _ENOUGH

    def say(self, kind: str, *values: object) -> None:
        """Put a frame with what is to be sent."""
        self._unsent += (frame(kind, *values) + "\n").encode("ascii")

    def tell_new(self, kind: str, *values: object) -> None:
        """Say something unless that is what it was told last."""
        if self._knows.get(kind) != values:
            self._knows[kind] = values
            self.say(kind, *values)

    def send(self) -> None:
        """Send what there is room for; OSError when it is gone."""
        with suppress(BlockingIOError):
            while self._unsent:
                del self._unsent[: self._connection.send(self._unsent)]

    def frames(self) -> list[Frame]:
        """Return what it said.

        Raises:
            FrameError: it said something else than frames.
            EOFError, OSError: it is gone.
        """
        try:
            block = self._connection.recv(_BLOCK)
        except BlockingIOError:
            return []
        if not block:
            raise EOFError
        *lines, rest = (bytes(self._unread) + block).split(b"\n")
        self._unread = bytearray(rest)
        if len(rest) > LONGEST:
            raise FrameError("it is too long")
        return [read_frame(line.decode("utf-8", "replace")) for line in lines]

    def close(self) -> None:
        """Part from it."""
        self._connection.close()
