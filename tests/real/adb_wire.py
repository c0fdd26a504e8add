"""The messages that adb's server and a phone's adbd exchange.

Protocol: AOSP, packages/modules/adb, protocol.txt and SYNC.TXT; adb_auth_host.cpp for what is
signed.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import struct
import threading

CNXN, AUTH, OPEN, OKAY, WRTE, CLSE = (
    int.from_bytes(name, "little")
    for name in (b"CNXN", b"AUTH", b"OPEN", b"OKAY", b"WRTE", b"CLSE")
)
TOKEN, SIGNATURE, PUBLIC_KEY = 1, 2, 3
VERSION = 0x01000001
"""From which on checksums are not looked at."""
MOST_BYTES = 256 * 1024
_HEADER = struct.Struct("<6I")
_KEY_BYTES = 256
_OF_SHA1 = bytes.fromhex("3021300906052b0e03021a05000414")


class GoneError(Exception):
    """The connection ended."""


class Wire:
    """One connection from adb's server."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._lock = threading.Lock()
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, command: int, first: int, second: int, data: bytes = b"") -> None:
        """Send a message."""
        checksum = sum(data) & 0xFFFFFFFF
        header = _HEADER.pack(command, first, second, len(data), checksum, command ^ 0xFFFFFFFF)
        self.send_raw(header + data)

    def send_raw(self, data: bytes) -> None:
        """Send bytes that need not be a message."""
        try:
            with self._lock:
                self._end.sendall(data)
        except OSError as error:
            raise GoneError from error

    def receive(self) -> tuple[int, int, int, bytes]:
        """Return the next message: its command, two numbers and the data."""
        command, first, second, size, _, magic = _HEADER.unpack(self._exactly(_HEADER.size))
        if magic != command ^ 0xFFFFFFFF or size > 1 << 20:
            raise GoneError
        return command, first, second, self._exactly(size)

    def cut(self) -> None:
        """End the connection without a word."""
        with contextlib.suppress(OSError):
            self._end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of it."""
        self._end.close()

    def _exactly(self, count: int) -> bytes:
        found = bytearray()
        while len(found) < count:
            try:
                block = self._end.recv(count - len(found))
            except OSError as error:
                raise GoneError from error
            if not block:
                raise GoneError
            found += block
        return bytes(found)


def is_signed(public_key: bytes, token: bytes, signature: bytes) -> bool:
    """Tell whether a token of 20 bytes was signed by the key whose public half this is.

    Args:
        public_key: as adb sends it: base64 of its RSAPublicKey structure, and a name.
        token: that was to be signed; it stands for a SHA-1 (PKCS #1 v1.5).
        signature: that came.
    """
    raw = base64.b64decode(public_key.split()[0])
    modulus = int.from_bytes(raw[8 : 8 + _KEY_BYTES], "little")
    exponent = int.from_bytes(raw[8 + 2 * _KEY_BYTES :][:4], "little")
    padded = b"\0\1" + b"\xff" * (_KEY_BYTES - 3 - len(_OF_SHA1) - len(token)) + b"\0"
    found = pow(int.from_bytes(signature, "big"), exponent, modulus)
    return found.to_bytes(_KEY_BYTES, "big") == padded + _OF_SHA1 + token
