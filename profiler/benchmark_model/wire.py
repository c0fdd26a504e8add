"""Reads protocol buffers without a library for them: only the wire format, and only what is asked.

Source: Protocol Buffers, Encoding (protobuf.dev/programming-guides/encoding): a message is a row
of (field number, wire type, value); a field may come several times.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from ...tables.errors import FormatError

MOST_BYTES = 1 << 24
"""Of a message: what the tool writes about the largest networks takes a hundredth."""

_MOST_FIELDS = 200_000
_LONGEST_TEXT = 2000
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10  # bytes of a number of 64 bits


@dataclass(frozen=True, slots=True)
class Message:
    """A message: the values of its fields, by number, in the order in which they came."""

    fields: dict[int, list[int | bytes]]

    def integer(self, number: int) -> int | None:
        """Return a signed number, None where there is none; the last one counts."""
        value = self._last(number)
        if value is None:
            return None
        if not isinstance(value, int):
            raise FormatError(f"field {number} holds no integer")
        return value - (1 << 64) if value >= 1 << 63 else value

    def real(self, number: int) -> float | None:
        """Return a number of single precision, None where there is none."""
        value = self._last(number)
        if value is None:
            return None
        if not isinstance(value, bytes) or len(value) != 4:
            raise FormatError(f"field {number} holds no number of single precision")
        (found,) = struct.unpack("<f", value)
        return float(found)

    def text(self, number: int) -> str:
        """Return a text, at most its beginning; empty where there is none."""
        value = self._last(number)
        if value is None:
            return ""
        if not isinstance(value, bytes):
            raise FormatError(f"field {number} holds no text")
        return value[:_LONGEST_TEXT].decode(errors="replace")

    def message(self, number: int) -> Message:
        """Return the message in a field, an empty one where there is none."""
        found = self.messages(number)
        return found[-1] if found else Message({})

    def messages(self, number: int) -> list[Message]:
        """Return all messages in a field that may be repeated."""
        values = self.fields.get(number, [])
        if not all(isinstance(value, bytes) for value in values):
            raise FormatError(f"field {number} holds no message")
        return [read_message(value) for value in values if isinstance(value, bytes)]

    def _last(self, number: int) -> int | bytes | None:
        return self.fields.get(number, [None])[-1]


def read_message(content: bytes) -> Message:
    """Read a message's fields; FormatError when the bytes are none."""
    if len(content) > MOST_BYTES:
        raise FormatError(f"a message of {len(content)} bytes is longer than any that makes sense")
    fields: dict[int, list[int | bytes]] = {}
    for count, (number, value) in enumerate(_fields(content)):
        if count >= _MOST_FIELDS:
            raise FormatError(f"a message of more than {_MOST_FIELDS} fields makes no sense")
        fields.setdefault(number, []).append(value)
    return Message(fields)


def _fields(content: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise FormatError("a message has no field of number 0")
        if kind == _VARINT:
            value, at = _varint(content, at)
            yield number, value
            continue
        if kind == _BYTES:
            size, at = _varint(content, at)
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
        else:
            raise FormatError(f"field {number} is of wire type {kind}, which is no longer used")
        if size > len(content) - at:
            raise FormatError(f"field {number} is longer than the message that it is in")
        yield number, content[at : at + size]
        at += size


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """Read a number of variable length; return it, and where the next thing begins."""
    value = 0
    for count in range(_LONGEST_VARINT):
        if at + count >= len(content):
            raise FormatError("a message ends in the middle of a number")
        byte = content[at + count]
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value & ((1 << 64) - 1), at + count + 1
    raise FormatError("a number in a message is longer than 64 bits")
