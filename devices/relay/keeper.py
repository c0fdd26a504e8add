"""The relay itself: it keeps a program, and serves whoever is attached."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from contextlib import suppress

from .frames import (
    BEAT_S,
    CHUNK,
    SPOOL,
    WINDOW,
    WORDS,
    Frame,
    FrameError,
    carried,
    content,
    number,
)
from .peer import Peer
from .places import accept, boot
from .program import Program
from .spool import Spool


class Keeper:
    """Keeps one program until that has ended and the host knows, or no host cares for it.

    Args:
        listener: where hosts attach.
        program: to keep.
        linger_s: how long it is kept without a sign of life from a host, in seconds.
    """

    def __init__(self, listener: socket.socket, program: Program, linger_s: float) -> None:
        self._listener, self._program, self._linger_s = listener, program, linger_s
        self._input, self._output = Spool(), Spool()
        self._closes_at: int | None = None
        self._deaf = self._over = False
        self._peer: Peer | None = None
        self._seen = self._beaten = time.monotonic()

    def keep(self) -> None:
        """Serve until it is over; the program is gone then."""
        wakened, waker = os.pipe()
        for end in (wakened, waker):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._end)
        try:
            while not self._over:
                poll = select.poll()
                poll.register(wakened, select.POLLIN)
                for fd, events in self._watched().items():
                    poll.register(fd, events)
                happened = dict(poll.poll(1000 * self._idle_s()))
                if wakened in happened:
                    with suppress(BlockingIOError):
                        os.read(wakened, 1 << 12)
                self._see_to(happened)
                self._tend()
        finally:
            self._program.kill()
            while self._program.status is None:  # so that whatever it held is free
                self._program.reap()
                time.sleep(0.005)

    def _watched(self) -> dict[int, int]:
        """Return what is to be waited for, by file descriptor."""
        program, peer = self._program, self._peer
        found = {self._listener.fileno(): select.POLLIN}
        if program.input is not None and self._input:
            found[program.input] = select.POLLOUT
        if program.output is not None and len(self._output) < SPOOL:
            found[program.output] = select.POLLIN
        if program.errors is not None:
            found[program.errors] = select.POLLIN
        if peer is not None:
            found[peer.fileno()] = select.POLLIN | (select.POLLOUT if peer.waits else 0)
        return found

    def _idle_s(self) -> float:
        """Return for how long nothing has to be done if nothing happens."""
        due = self._seen + self._linger_s
        if self._peer is not None:
            due = min(due, self._beaten + BEAT_S)
        return max(0.0, due - time.monotonic())

    def _see_to(self, happened: dict[int, int]) -> None:
        """Move on whatever can be moved."""
        program, peer = self._program, self._peer
        if program.output in happened:
            self._output.add(program.read())
        if program.errors in happened:
            program.read_errors(WORDS)
        if program.input in happened:
            self._feed()
        if peer is not None and peer.fileno() in happened:
            try:
                for said in peer.frames():
                    self._seen = time.monotonic()
                    self._do(peer, said)
            except (OSError, EOFError, ValueError, IndexError):
                self._leave()
        if self._listener.fileno() in happened:
            connection = accept(self._listener)
            if connection is not None:
                self._leave()
                self._peer = Peer(connection)

    def _feed(self) -> None:
        written = self._program.write(self._input.read(self._input.start, CHUNK))
        if written < 0:
            self._deaf = True
            self._input.drop(self._input.end)
        else:
            self._input.drop(self._input.start + written)

    def _do(self, peer: Peer, said: Frame) -> None:
        """Do what a host says; ValueError or IndexError when that makes no sense."""
        kind = said[0]
        if kind == "hello":
            self._output.drop(number(said[1]))
            peer.sent, peer.told, peer.welcome = self._output.start, self._input.end, True
            peer.say("attached", boot(), peer.told)
        elif kind == "in":
            self._take(number(said[1]), content(said[2]))
        elif kind == "got":
            self._output.drop(number(said[1]))
        elif kind == "close":
            self._closes_at = number(said[1])
            self._program.end_output()
        elif kind == "kill":
            self._program.kill()
        elif kind == "bye":
            self._over = True
        elif kind != "beat":
            raise FrameError("it makes no sense")

    def _take(self, start: int, text: bytes) -> None:
        """Take input that follows what is there."""
        if start != self._input.end or len(self._input) > 2 * WINDOW:
            raise FrameError("it does not follow")
        self._input.add(text)
        if self._deaf:
            self._input.drop(self._input.end)

    def _tend(self) -> None:
        """Do what has to be done whatever happened."""
        program, now = self._program, time.monotonic()
        if self._closes_at is not None and self._input.start >= self._closes_at:
            program.end_input()
        if program.reap():
            while program.read_errors(WORDS):
                pass
        if (peer := self._peer) is not None and peer.welcome:
            self._report(peer)
            if now - self._beaten >= BEAT_S:
                self._beaten = now
                peer.tell_new("words", carried(program.words))
                peer.say("beat")
            with suppress(OSError):  # noticed when it is listened to next
                peer.send()
        if now - self._seen >= self._linger_s:
            self._over = True

    def _report(self, peer: Peer) -> None:
        """Tell a host what it does not know yet."""
        program, output = self._program, self._output
        if self._closes_at is None:
            while not peer.full and peer.sent < min(output.end, output.start + WINDOW):
                block = output.read(peer.sent, CHUNK)
                peer.say("out", peer.sent, carried(block))
                peer.sent += len(block)
        if len(self._input) < WINDOW:
            peer.told = self._input.end
            peer.tell_new("got", peer.told)
        if self._deaf:
            peer.tell_new("deaf")
        if program.output is None and peer.sent == output.end:
            program.read_errors(WORDS)  # it was written before that, perhaps
            peer.tell_new("words", carried(program.words))
            peer.tell_new("end", output.end)
        if program.status is not None:
            peer.tell_new("words", carried(program.words))
            peer.tell_new("exit", program.status)

    def _leave(self) -> None:
        if self._peer is not None:
            self._peer.close()
            self._peer = None

    def _end(self, *_: object) -> None:
        self._over = True
