"""Ledgers: what a stream knows of its program, whatever connection told it."""

from __future__ import annotations

import time

from .device import LONGEST_LINE_BYTES
from .relay.frames import (
    BEAT_S,
    CHUNK,
    WINDOW,
    WORDS,
    Frame,
    FrameError,
    carried,
    content,
    number,
)
from .relay.spool import Spool

_SIGNALS, _CODES = 128, 1 << 32


class Ledger:
    """Both directions of a stream, by numbers of bytes.

    Attributes:
        input: all that may not have arrived yet.
        closing: whether input ends where it is now, and output is not wanted any more.
        killing: whether the program is to end at once.
        leaving: whether the relay is to end.
        received: how many bytes of output have arrived.
        ended: whether that is all.
        deaf: whether the program no longer reads.
        words: the end of what it wrote to standard error.
        status: its exit code, or minus the number of the signal that ended it.
    """

    def __init__(self) -> None:
        self.input = Spool()
        self.closing = self.killing = self.leaving = False
        self.received = 0
        self.ended = self.deaf = False
        self.words = ""
        self.status: int | None = None
        self._unread = bytearray()
        self._searched = 0

    @property
    def progress(self) -> int:
        """A number that grows whenever something has arrived, on either side."""
        return self.received + self.input.start

    @property
    def keeps_up(self) -> bool:
        """Whether there is room for more output."""
        return len(self._unread) <= LONGEST_LINE_BYTES

    def has_line(self) -> bool:
        """Tell whether there is a line to be taken."""
        self._searched = self._line_end()
        return self._searched < len(self._unread) or self._searched >= LONGEST_LINE_BYTES

    def take_line(self) -> str:
        """Take the next line, without its end."""
        end = min(self._line_end(), LONGEST_LINE_BYTES)
        line = bytes(self._unread[:end])
        del self._unread[: end + (self._unread[end : end + 1] == b"\n")]
        self._searched = 0
        return line.decode(errors="replace")

    def _line_end(self) -> int:
        found = self._unread.find(b"\n", self._searched)
        return len(self._unread) if found < 0 else found

    def note(self, said: Frame) -> None:
        """Note what a relay said; FrameError, ValueError or IndexError where it cannot be."""
        kind = said[0]
        if kind == "out":
            self._take(number(said[1]), content(said[2]))
        elif kind == "got":
            self.input.drop(number(said[1]))
        elif kind == "words":
            self.words = content(said[1])[-WORDS:].decode(errors="replace")
        elif kind == "deaf":
            self.deaf = True
        elif kind == "end":
            self.ended = True
        elif kind == "exit":
            status = said[1]
            if not isinstance(status, int) or not -_SIGNALS < status < _CODES:
                raise FrameError("no program ends like that")
            self.status = status
        elif kind != "beat":
            raise FrameError("it makes no sense")

    def _take(self, start: int, output: bytes) -> None:
        if self.closing:
            return
        room = LONGEST_LINE_BYTES + 2 * WINDOW - len(self._unread)
        if start != self.received or not 0 < len(output) <= min(CHUNK, room):
            raise FrameError("it does not follow")
        self._unread += output
        self.received += len(output)


class Told:
    """What a relay was told over one connection.

    Args:
        arrived: bytes of input that it had before.
    """

    def __init__(self, arrived: int) -> None:
        self._sent, self._got = arrived, 0
        self._flags: set[str] = set()
        self._beaten = time.monotonic()

    @property
    def idle_s(self) -> float:
        """For how long nothing has to be said, in seconds, if nothing happens."""
        return max(0.0, self._beaten + BEAT_S - time.monotonic())

    @property
    def all(self) -> bool:
        """Whether the relay was told to end."""
        return "bye" in self._flags

    def due(self, ledger: Ledger) -> list[tuple[str, tuple[object, ...]]]:
        """Return what is to be said now, as if it were."""
        found: list[tuple[str, tuple[object, ...]]] = []
        end = min(ledger.input.end, ledger.input.start + WINDOW)
        if self._sent < end:
            block = ledger.input.read(self._sent, min(CHUNK, end - self._sent))
            found.append(("in", (self._sent, carried(block))))
            self._sent += len(block)
        if self._got < ledger.received and ledger.keeps_up:
            self._got = ledger.received
            found.append(("got", (self._got,)))
        everything = self._sent == ledger.input.end
        for kind, wanted, values in (
            ("close", ledger.closing and everything, (ledger.input.end,)),
            ("kill", ledger.killing, ()),
            ("bye", ledger.leaving, ()),
        ):
            if wanted and kind not in self._flags:
                self._flags.add(kind)
                found.append((kind, values))
        if self.idle_s == 0:
            found.append(("beat", ()))
            self._beaten = time.monotonic()
        return found
