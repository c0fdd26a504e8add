"""Where relays are found on a device: a folder for each, with a socket in it."""

from __future__ import annotations

import os
import re
import shutil
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_NAME = re.compile("[0-9a-f]{32}")
_NEW = re.compile("new-([0-9]+)-[0-9a-f]{32}")
_SOCKET, _OWNER = "socket", "owner"
_LONGEST_OWNER = 1000


class Places:
    """The relays of one folder, which is private to its user."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def connect(self, name: str) -> socket.socket | None:
        """Connect to the relay of a name; None where there is none, and then there never will be.

        A folder without a relay is what a device that was switched off leaves behind: it goes.
        """
        folder = self._folder / checked(name)
        connection = socket.socket(socket.AF_UNIX)
        try:
            with _inside(folder):
                here = os.path.exists(_SOCKET)  # noqa: PTH110 (relative to where we just went)
                connection.connect(_SOCKET if here else _abstract(name))
        except OSError:
            connection.close()
            shutil.rmtree(folder, ignore_errors=True)
            return None
        if not _ours(connection):
            connection.close()
            return None
        return connection

    def prepare(self, name: str, owner: str) -> tuple[Path, socket.socket]:
        """Make a folder with a socket that listens, under a name that nobody looks for yet."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = self._folder / f"new-{os.getpid()}-{checked(name)}"
        folder.mkdir(mode=0o700)
        (folder / _OWNER).write_text(owner[:_LONGEST_OWNER], encoding="utf-8")
        listener = socket.socket(socket.AF_UNIX)
        with _inside(folder):
            try:
                listener.bind(_SOCKET)
            except OSError:
                # Android lets its shell make no sockets in folders. Names without a file can be
                # called by anyone on the device, so both sides look at who the other is.
                listener.bind(_abstract(name))
        listener.listen(16)
        return folder, listener

    def claim(self, prepared: Path, name: str) -> bool:
        """Give a prepared folder its name; tell whether nobody was faster."""
        try:
            prepared.rename(self._folder / checked(name))
        except OSError:
            shutil.rmtree(prepared, ignore_errors=True)
            return False
        return True

    def remove(self, name: str) -> None:
        """Remove the folder of a relay that ends."""
        shutil.rmtree(self._folder / checked(name), ignore_errors=True)

    def others(self, name: str) -> list[tuple[str, str]]:
        """Return the name and the owner of every other relay that may still be there."""
        found = []
        with suppress(OSError):
            for folder in sorted(self._folder.iterdir()):
                new = _NEW.fullmatch(folder.name)
                if new and not Path(f"/proc/{new.group(1)}").exists():
                    shutil.rmtree(folder, ignore_errors=True)
                elif _NAME.fullmatch(folder.name) and folder.name != name:
                    with suppress(OSError, ValueError):
                        found.append((folder.name, (folder / _OWNER).read_text(encoding="utf-8")))
        return found


def checked(name: str) -> str:
    """Return a relay's name; ValueError when it is none."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} names no relay")
    return name


def boot() -> str:
    """Return the name of this boot, empty where the kernel does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def accept(listener: socket.socket) -> socket.socket | None:
    """Take the next connection, if it is one of our own user's."""
    try:
        connection, _ = listener.accept()
    except OSError:
        return None
    if not _ours(connection):
        connection.close()
        return None
    return connection


def _ours(connection: socket.socket) -> bool:
    """Tell whether a process of our own user is at the other end."""
    size = struct.calcsize("3i")
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return bool(struct.unpack("3i", found)[1] == os.getuid())


def _abstract(name: str) -> str:
    return f"\0sartor-relay-{name}"


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """Work in a folder: paths of sockets have to be short."""
    before = os.open(".", os.O_RDONLY)
    try:
        os.chdir(folder)
        yield
    finally:
        os.fchdir(before)
        os.close(before)
