"""A channel that is used without a race between what we say and its end.

Paramiko decides under a lock that a message may be sent, and sends it after it has let go of that
lock. When the peer closes the channel in between, our answer to that overtakes the message, which
then speaks of a channel that is no more: OpenSSH breaks the whole connection for it, or takes it
for another program's, once the channel's number is given away again. Here, the decision and the
sending are one, in the turn in which paramiko has to send its answer, too.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from paramiko import Channel, Message
from paramiko.buffered_pipe import BufferedPipe, PipeTimeout
from paramiko.common import (
    cMSG_CHANNEL_DATA,
    cMSG_CHANNEL_EOF,
    cMSG_CHANNEL_REQUEST,
    cMSG_CHANNEL_WINDOW_ADJUST,
)

_BLOCK_BYTES = 1 << 16
_HEADER_BYTES = 64
_TURN_S = 30.0
_LOOK_S = 0.1


class Pipe:
    """A channel to send to, and to receive from. One thread may do one, and another the other.

    All methods raise EOFError, OSError or SSHException when the connection is broken.

    Attributes:
        channel: for everything that has no race.
    """

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._transport = channel.get_transport()
        self._taken_bytes = 0

    def send(self, content: bytes, timeout_s: float) -> int:
        """Send as much as fits into one message, at least a byte.

        Returns:
            The number of bytes; 0 when the channel is closed.

        Raises:
            TimeoutError: the peer has not taken what was sent before.
        """
        channel = self.channel
        deadline_s = time.monotonic() + timeout_s
        while True:
            with self._turn():
                with channel.lock:
                    if channel.closed or channel.eof_sent:
                        return 0
                    most = min(channel.out_window_size, channel.out_max_packet_size - _HEADER_BYTES)
                    size = min(len(content), most)
                    channel.out_window_size -= size
                if size:
                    self._say(cMSG_CHANNEL_DATA, content[:size])
                    return size
            with channel.out_buffer_cv:
                left_s = deadline_s - time.monotonic()
                if not channel.out_window_size and not channel.closed:
                    if left_s <= 0:
                        raise TimeoutError
                    channel.out_buffer_cv.wait(left_s)

    def end(self) -> None:
        """Say that nothing more will be sent."""
        with self._turn():
            with self.channel.lock:
                if self.channel.closed or self.channel.eof_sent:
                    return
                self.channel.eof_sent = True
            self._say(cMSG_CHANNEL_EOF)

    def kill(self) -> None:
        """Ask the server to kill the program; some do (RFC 4254, section 6.9)."""
        with self._turn():
            if not self.channel.closed:
                self._say(cMSG_CHANNEL_REQUEST, "signal", False, "KILL")  # noqa: FBT003 (no answer)

    def receive(self) -> bytes:
        """Return what has come, nothing when nothing has."""
        return self._read(self.channel.in_buffer, _BLOCK_BYTES, 0.0)

    def receive_errors(self) -> bytes:
        """Return what has come on the other output, nothing when nothing has."""
        return self._read(self.channel.in_stderr_buffer, _BLOCK_BYTES, 0.0)

    def await_bytes(self, most: int, timeout_s: float | None) -> bytes:
        """Return what comes, nothing at the end; TimeoutError when nothing came."""
        try:
            return self._read(self.channel.in_buffer, most, timeout_s)
        except PipeTimeout as error:
            raise TimeoutError from error

    def close(self) -> None:
        """Close the channel at our end."""
        self.channel.close()

    def _read(self, buffer: BufferedPipe[bytes], most: int, timeout_s: float | None) -> bytes:
        if timeout_s == 0 and not buffer.read_ready():
            return b""
        block = buffer.read(most, timeout_s)
        self._allow(len(block))
        return block

    def _allow(self, size: int) -> None:
        """Let the peer send more, now and then, as much as was taken."""
        self._taken_bytes += size
        if self._taken_bytes <= self.channel.in_window_threshold:
            return
        with self._turn():
            if not (self.channel.closed or self.channel.eof_received):
                self._say(cMSG_CHANNEL_WINDOW_ADJUST, self._taken_bytes)
            self._taken_bytes = 0

    def _say(self, kind: bytes, *parts: bytes | str | bool | int) -> None:
        message = Message()
        message.add_byte(kind)
        message.add_int(self.channel.remote_chanid)
        for part in parts:
            if isinstance(part, bool):
                message.add_boolean(part)
            elif isinstance(part, int):
                message.add_int(part)
            else:
                message.add_string(part)
        self._transport.packetizer.send_message(message)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait until we may send, as we may not while keys are exchanged; then do it alone."""
        deadline_s = time.monotonic() + _TURN_S
        lock = self._transport.clear_to_send_lock
        while True:
            self._transport.clear_to_send.wait(_LOOK_S)
            if not self._transport.is_active():
                raise EOFError
            with lock:
                if self._transport.clear_to_send.is_set():
                    yield
                    return
            if time.monotonic() > deadline_s:
                raise TimeoutError("keys were not exchanged in time")


class Tunnel:
    """A channel through a jump host, as a socket to what lies behind."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._timeout_s: float | None = None

    def recv(self, size: int) -> bytes:
        """Read up to ``size`` bytes; TimeoutError when none came."""
        return self._pipe.await_bytes(size, self._timeout_s)

    def send(self, data: bytes) -> int:
        """Write some of ``data``; return how many bytes."""
        return self._pipe.send(data, self._timeout_s or _TURN_S)

    def settimeout(self, timeout_s: float | None) -> None:
        """Set how long reads and writes may take, in seconds."""
        self._timeout_s = timeout_s

    def close(self) -> None:
        """Close the channel."""
        self._pipe.close()
