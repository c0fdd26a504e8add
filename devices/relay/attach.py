"""Attaching to a relay, and starting it where there is none yet."""

from __future__ import annotations

import json
import os
import select
import socket
from contextlib import suppress
from typing import Any

from .frames import frame
from .keeper import Keeper
from .places import Places, boot
from .program import Program

_LONGEST_REQUEST = 1 << 22
_BLOCK = 1 << 16
_PIECE = 1 << 12
"""Bytes that a pipe takes without waiting when it takes any."""

_END_S = 5.0
"""How long to wait for another relay to end."""


def attach(folder: str, name: str) -> int:
    """Carry what a host and a relay say to each other; return the exit status."""
    places, lines = Places(folder), _Lines()
    request = json.loads(lines.next())
    starts: dict[str, Any] | None = request.get("start")
    if starts is not None:
        others = places.others(name)
        if others:
            _emit(frame("others", [list(other) for other in others]))
            for other in json.loads(lines.next())[1]:
                _end(places, other)
    connection = places.connect(name)
    if connection is None and starts is not None:
        _start(places, name, starts)
        connection = places.connect(name)
    if connection is None:
        _emit(frame("gone", boot()))
        return 1
    connection.sendall((frame("hello", int(request["have"])) + "\n").encode("ascii"))
    connection.sendall(lines.rest())
    _carry(connection)
    return 0


class _Lines:
    """Lines of standard input, read so that what follows them is not lost."""

    def __init__(self) -> None:
        self._unread = b""

    def next(self) -> bytes:
        """Return the next line; ValueError where there is none."""
        while b"\n" not in self._unread:
            block = os.read(0, _BLOCK)
            if not block or len(self._unread) > _LONGEST_REQUEST:
                raise ValueError("no request came")
            self._unread += block
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def rest(self) -> bytes:
        """Return what was read beyond the last line."""
        return self._unread


def _emit(text: str) -> None:
    os.write(1, (text + "\n").encode("ascii"))


def _end(places: Places, name: str) -> None:
    """End another relay and its program, and wait until both are gone."""
    connection = places.connect(name)
    if connection is None:
        return
    connection.settimeout(_END_S)
    with suppress(OSError):
        connection.sendall((frame("bye") + "\n").encode("ascii"))
        while connection.recv(_BLOCK):
            pass
    connection.close()


def _carry(connection: socket.socket) -> None:
    """Carry bytes both ways until either end is gone, waiting for neither alone."""
    outgoing, there = b"", connection.fileno()
    while True:
        poll = select.poll()
        poll.register(0, select.POLLIN)
        # While the link takes no more, no more is read; that either end is gone shows all the same.
        poll.register(1, select.POLLOUT if outgoing else 0)
        poll.register(there, 0 if outgoing else select.POLLIN)
        happened = dict(poll.poll())
        try:
            if happened.get(1, 0) & select.POLLOUT:
                outgoing = outgoing[os.write(1, outgoing[:_PIECE]) :]
            elif 1 in happened or (outgoing and there in happened):
                return
            elif there in happened:
                outgoing = connection.recv(_BLOCK)
                if not outgoing:
                    return
            if 0 in happened:
                block = os.read(0, _BLOCK)
                if not block:
                    return
                connection.sendall(block)
        except OSError:
            return


def _start(places: Places, name: str, starts: dict[str, Any]) -> None:
    """Make the relay of a name, a process that has nothing to do with this one."""
    prepared, listener = places.prepare(name, str(starts["owner"]))
    if places.claim(prepared, name) and not os.fork():
        try:
            os.setsid()
            if not os.fork():
                _keep(places, name, listener, starts)
        finally:
            os._exit(0)
    listener.close()


def _keep(places: Places, name: str, listener: socket.socket, starts: dict[str, Any]) -> None:
    """Be a relay."""
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    argv = [str(word) for word in starts["argv"]]
    environment = {str(key): str(value) for key, value in starts["environment"].items()}
    try:
        try:
            program = Program(argv, environment)
        except (OSError, ValueError) as error:
            _refuse(listener, f"cannot start {argv[0]}: {getattr(error, 'strerror', error)}")
        else:
            Keeper(listener, program, float(starts["linger_s"])).keep()
    finally:
        places.remove(name)


def _refuse(listener: socket.socket, reason: str) -> None:
    """Tell whoever started us why there is nothing to attach to."""
    listener.settimeout(_END_S)
    with suppress(OSError):
        connection, _ = listener.accept()
        connection.recv(_BLOCK)  # what is left unread would break the connection
        connection.sendall((frame("failed", reason) + "\n").encode("ascii"))
        connection.close()
