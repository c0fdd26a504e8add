"""What carries one SSH connection: a socket that is watched, and packets that are bounded."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Protocol, TypeVar

from paramiko import Channel, SSHException
from paramiko.common import (
    MSG_CHANNEL_CLOSE,
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_EXTENDED_DATA,
    MSG_CHANNEL_REQUEST,
)
from paramiko.message import Message
from paramiko.packet import Packetizer

SILENCE_S = 8.0
"""How long a peer may say nothing, though it is asked, before it counts as lost."""

_ASK_EVERY_S = 2.0
_MOST_BEFORE_LOGIN_BYTES = 1 << 20
_LARGEST_PACKET_BYTES = 1 << 18
_OF_CHANNELS = {
    MSG_CHANNEL_CLOSE,
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_EXTENDED_DATA,
    MSG_CHANNEL_REQUEST,
}
WINDOW_BYTES = 1 << 21
"""That a program may be ahead of us in what it writes, so much on every round trip."""
_MOST_UNREAD_BYTES = 2 * WINDOW_BYTES

Answer = TypeVar("Answer")


class Carrier(Protocol):
    """A socket, or a channel through a jump host."""

    def recv(self, size: int, /) -> bytes:
        """Read up to ``size`` bytes."""

    def send(self, data: bytes, /) -> int:
        """Write some of ``data``; return how many bytes."""

    def settimeout(self, timeout_s: float | None, /) -> None:
        """Set how long reads and writes may take, in seconds."""

    def close(self) -> None:
        """Close it."""


class Wire:
    """A carrier that counts what comes in.

    Attributes:
        heard_bytes: so far.
        is_trusted: whether the peer has let us in; before, it may say only so much.
        hung_up: whether the peer has closed it, in whatever way.
    """

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._closed = False  # paramiko looks at this when it ends
        self.heard_bytes = 0
        self.is_trusted = self.hung_up = False

    def recv(self, size: int) -> bytes:
        """Read up to ``size`` bytes; OSError when the peer babbles."""
        try:
            block = self._carrier.recv(size)
        except ConnectionError:
            self.hung_up = True
            raise
        self.heard_bytes += len(block)
        self.hung_up |= not block
        if not self.is_trusted and self.heard_bytes > _MOST_BEFORE_LOGIN_BYTES:
            raise OSError("it sends without end before anybody has logged in")
        return block

    def send(self, data: bytes) -> int:
        """Write some of ``data``; return how many bytes."""
        try:
            return self._carrier.send(data)
        except ConnectionError:
            self.hung_up = True
            raise

    def settimeout(self, timeout_s: float | None) -> None:
        """Set how long reads and writes may take, in seconds."""
        self._carrier.settimeout(timeout_s)

    def close(self) -> None:
        """Close the carrier."""
        self._closed = True
        if isinstance(self._carrier, socket.socket):
            with suppress(OSError):  # wakes who reads or writes right now
                self._carrier.shutdown(socket.SHUT_RDWR)
        with suppress(EOFError, OSError, SSHException):  # a channel says goodbye over its own wire
            self._carrier.close()


class BoundedPacketizer(Packetizer):
    """Reads packets of a size that makes sense, and notices what paramiko passes over.

    Attributes:
        channels: that are open, by number; what they hold unread is bounded.
        forgotten: numbers of channels that we have closed, and the peer has not yet.
        signals: that ended programs, by the number of their channel.
    """

    channels: dict[int, Channel]
    forgotten: set[int]
    signals: dict[int, int]

    def __init__(self, wire: socket.socket) -> None:
        super().__init__(wire)
        self.channels, self.forgotten, self.signals = {}, set(), {}
        self._ask: Callable[[], None] | None = None
        self._asked_s = 0.0

    def forget(self, number: int) -> None:
        """Note no more of a channel that we have closed, and take nothing from it."""
        channel = self.channels.pop(number, None)
        if channel is not None and not channel.closed:
            self.forgotten.add(number)
        self.signals.pop(number, None)

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:  # noqa: FBT001, FBT002 (paramiko's)
        """Read ``n`` bytes; SSHException when no packet is that large."""
        if n > _LARGEST_PACKET_BYTES:
            raise SSHException("it sends what is not SSH")
        return super().read_all(n, check_rekey)

    def read_message(self) -> tuple[int, Message]:
        """Read a message; SSHException when the peer sends more than it was told it may."""
        while True:
            kind, message = super().read_message()
            if kind not in _OF_CHANNELS:
                return kind, message
            number = message.get_int()
            if kind == MSG_CHANNEL_CLOSE:
                self.forgotten.discard(number)
            elif number in self.forgotten:
                continue
            elif (channel := self.channels.get(number)) is not None:
                self._look(kind, channel, message)
            message.rewind()
            return kind, message

    def _look(self, kind: int, channel: Channel, message: Message) -> None:
        if kind == MSG_CHANNEL_REQUEST:
            if message.get_text() == "exit-signal":
                message.get_boolean()
                named = signal.Signals.__members__.get(f"SIG{message.get_text()}")
                if named is not None:
                    self.signals[channel.get_id()] = int(named)
        elif len(channel.in_buffer) + len(channel.in_stderr_buffer) > _MOST_UNREAD_BYTES:
            raise SSHException("it sends more than it was asked for")

    def ask_when_idle(self, ask: Callable[[], None]) -> None:
        """Call ``ask`` every now and then while nothing comes in."""
        self._ask = ask

    def _check_keepalive(self) -> None:
        # Paramiko calls this when nothing came in for a moment. Its own keepalive is put off by
        # whatever is sent: who knocks at a device that is dead would not ask the jump host before.
        now_s = time.monotonic()
        if self._ask is not None and now_s - self._asked_s >= _ASK_EVERY_S:
            self._asked_s = now_s
            self._ask()


def dial(host: str, port: int, timeout_s: float) -> socket.socket:
    """Connect to the first address of a host that answers; OSError when none does in time."""
    deadline = time.monotonic() + timeout_s
    found = bounded(
        lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), timeout_s, "resolver"
    )
    error = OSError("it has no address")
    for family, kind, protocol, _, address in found:
        dialled = socket.socket(family, kind, protocol)
        try:
            dialled.settimeout(max(0.01, deadline - time.monotonic()))
            notice_silence(dialled)
            dialled.connect(address)
        except OSError as refused:
            dialled.close()
            error = refused
        else:
            return dialled
    raise error


def notice_silence(connection: socket.socket) -> None:
    """Have the kernel tell when the other end no longer acknowledges."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        ("TCP_KEEPIDLE", 3),
        ("TCP_KEEPINTVL", 2),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", int(1000 * SILENCE_S)),  # unread data, in milliseconds
    ):
        if hasattr(socket, option):
            with suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def bounded(work: Callable[[], Answer], timeout_s: float, who: str) -> Answer:
    """Call what knows no timeout itself; TimeoutError when it takes too long.

    It goes on in a thread of its own, which nobody waits for.
    """
    answers: list[Answer] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            answers.append(work())
        except BaseException as error:  # noqa: BLE001 (raised again below)
            errors.append(error)

    thread = Thread(target=run, daemon=True, name=f"sartor {who}")
    thread.start()
    thread.join(timeout_s)
    if answers:
        return answers[0]
    raise errors[0] if errors else TimeoutError(f"the {who} did not answer in {timeout_s:g} s")
