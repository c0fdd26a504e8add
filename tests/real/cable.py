"""A cable between a port of this machine's loopback and a network namespace; it can be pulled."""

from __future__ import annotations

import ctypes
import os
import socket
import threading
from contextlib import suppress
from typing import Literal

_CLONE_NEWNET = 0x40000000
_BLOCK_BYTES = 1 << 16
_Way = Literal["to device", "from device"]


class Cable:
    """Leads connections to ``127.0.0.1:port`` on to the same place inside a namespace.

    Attributes:
        port: of this machine.
        inside: a process in the namespace, and the port there; it may change.
        carried: bytes by direction, of all connections.
    """

    def __init__(self, pid: int, port: int) -> None:
        self.inside = pid, port
        self.carried: dict[_Way, int] = {"to device": 0, "from device": 0}
        self._limit: tuple[_Way, int] | None = None
        self._ends: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._flows = threading.Event()
        self._flows.set()
        self._listener: socket.socket | None = None
        self.port = 0
        self.plug()

    def plug(self) -> None:
        """Let connections through; the port stays the same."""
        self._flows.set()
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self.port = self._listener.getsockname()[1]
            threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def pull(self) -> None:
        """End all connections, and refuse new ones."""
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)  # wakes who accepts
            self._listener.close()
            self._listener = None
        self.cut()

    def cut(self) -> None:
        """End all connections; new ones are let through."""
        with self._lock:
            ends, self._limit = list(self._ends), None
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._flows.set()

    def cut_after(self, count: int, way: _Way) -> None:
        """Cut all connections once so many more bytes have passed in one direction."""
        with self._lock:
            self._limit = way, self.carried[way] + count

    def hold(self) -> None:
        """Keep all that is sent, and stay silent, until ``plug`` or ``cut``."""
        self._flows.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                far = _connect_inside(*self.inside)
            except OSError:
                near.close()
                continue
            with self._lock:
                self._ends |= {near, far}
            for source, target, way in ((near, far, "to device"), (far, near, "from device")):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(
                    target=self._carry, args=[source, target, way], daemon=True
                ).start()

    def _carry(self, source: socket.socket, target: socket.socket, way: _Way) -> None:
        with suppress(OSError):
            while block := source.recv(_BLOCK_BYTES):
                self._flows.wait()
                with self._lock:
                    limited = self._limit if self._limit and self._limit[0] == way else None
                    left = limited[1] - self.carried[way] if limited else len(block)
                    self.carried[way] += min(left, len(block))
                target.sendall(block[:left])
                if left < len(block):
                    self.cut()
        with self._lock:
            self._ends -= {source, target}
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        source.close()  # each direction closes what it reads from


def _connect_inside(pid: int, port: int) -> socket.socket:
    """Connect to a port of the loopback in the network namespace of a process."""
    found: list[socket.socket | OSError] = []

    def enter() -> None:  # a namespace is entered by one thread, and this one ends with it
        try:
            namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
            try:
                if ctypes.CDLL(None, use_errno=True).setns(namespace, _CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            finally:
                os.close(namespace)
            end = socket.create_connection(("127.0.0.1", port), timeout=10)
            end.settimeout(None)
            found.append(end)
        except OSError as error:
            found.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if isinstance(found[0], OSError):
        raise found[0]
    return found[0]
