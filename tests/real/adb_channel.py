"""One service's own stream within a connection between adb's server and a phone.

Protocol: AOSP, packages/modules/adb, protocol.txt; shell_protocol.h for the packets of a shell.
"""

from __future__ import annotations

import os
import queue
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import IO

from .adb_wire import MOST_BYTES, WRTE, GoneError, Wire

STDIN, STDOUT, STDERR, EXIT, CLOSE_STDIN = range(5)
"""Kinds of a shell's packets."""


class Channel:
    """One service's own stream within a connection."""

    def __init__(self, wire: Wire, ours: int, theirs: int) -> None:
        self.ours, self.theirs = ours, theirs
        self.incoming: queue.Queue[bytes | None] = queue.Queue()
        self.ready = threading.Semaphore(1)
        self.hang_up: Callable[[], None] = lambda: None
        self.cut_after_answer = False
        self.pause_s = 0.0
        self._wire = wire
        self._unread = b""
        self._sending = threading.Lock()
        self._open = True

    def send(self, data: bytes) -> None:
        """Send data, a block at a time, as the other side takes them."""
        with self._sending:
            for start in range(0, len(data), MOST_BYTES):
                self.ready.acquire()
                time.sleep(self.pause_s)
                if not self._open:
                    raise GoneError
                self._wire.send(WRTE, self.ours, self.theirs, data[start : start + MOST_BYTES])
                if self.cut_after_answer:
                    self._wire.cut()

    def exactly(self, count: int) -> bytes:
        """Receive so many bytes."""
        while len(self._unread) < count:
            block = self.incoming.get()
            if block is None:
                raise GoneError
            self._unread += block
        found, self._unread = self._unread[:count], self._unread[count:]
        return found

    def pump(self, pipe: IO[bytes], kind: int | None) -> None:
        """Send what a program prints, as packets of the shell protocol where it has a kind."""
        with suppress(GoneError):
            while block := os.read(pipe.fileno(), 1 << 15):
                header = b"" if kind is None else struct.pack("<BI", kind, len(block))
                self.send(header + block)

    def feed(self, pipe: IO[bytes], apart: bool) -> None:
        """Give a program what comes for it."""
        with suppress(GoneError, OSError, ValueError):
            while True:
                if not apart:
                    data = self.exactly(1)
                else:
                    kind, size = struct.unpack("<BI", self.exactly(5))
                    data = self.exactly(size)
                    if kind == CLOSE_STDIN:
                        pipe.close()
                    if kind != STDIN:
                        continue
                pipe.write(data)
                pipe.flush()

    def end(self) -> None:
        """Take it that the other side is gone."""
        self._open = False
        self.incoming.put(None)
        self.ready.release()
        with suppress(OSError):
            self.hang_up()
