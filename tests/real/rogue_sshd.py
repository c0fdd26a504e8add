"""SSH servers that lie, babble, or fall silent: paramiko's server side, made to misbehave."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import paramiko
from paramiko.common import AUTH_SUCCESSFUL, OPEN_SUCCEEDED, cMSG_CHANNEL_DATA

from .sshd import make_key


@dataclass(frozen=True)
class Rogue:
    """A server that misbehaves.

    Attributes:
        port: on loopback.
        folder: of its key, and of a key that it lets in, as it does all others.
    """

    port: int
    folder: Path

    def known_hosts_line(self, host: str = "") -> str:
        """Return the line by which clients know it."""
        kind, key = (self.folder / "host_key.pub").read_text().split()[:2]
        return f"{host or f'[127.0.0.1]:{self.port}'} {kind} {key}\n"

    def client_config(self, alias: str, known_hosts: Path, _: object = ()) -> str:
        """Return the lines of an ``ssh_config`` by which clients reach it as ``alias``."""
        return (
            f"Host {alias}\nHostName 127.0.0.1\nPort {self.port}\nUser pi\n"
            f"IdentityFile {self.folder}/client_key\nIdentitiesOnly yes\nIdentityAgent none\n"
            f"UserKnownHostsFile {known_hosts}\nGlobalKnownHostsFile /dev/null\n"
        )


@contextmanager
def listening(folder: Path, serve: Callable[[socket.socket], None]) -> Iterator[Rogue]:
    """Serve every connection by a function, in a thread of its own, until the end."""
    for key in ("host_key", "client_key"):
        make_key(folder / key)
    taken: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            taken.append(connection)
            threading.Thread(target=swallow, args=(connection,), daemon=True).start()

    def swallow(connection: socket.socket) -> None:
        with suppress(OSError, EOFError, paramiko.SSHException):
            serve(connection)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield Rogue(server.getsockname()[1], folder)
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(10)
            for connection in taken:
                connection.close()


class _Server(paramiko.ServerInterface):
    """Lets everybody in, and hands every program to a function."""

    def __init__(self, on_program: Callable[[paramiko.Channel, str], bool]) -> None:
        self._on_program = on_program

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        return self._on_program(channel, command.decode())


@contextmanager
def rogue_sshd(
    folder: Path, on_program: Callable[[paramiko.Channel, str], bool]
) -> Iterator[Rogue]:
    """Make a server that really speaks SSH, up to the point where a program is to be run.

    Args:
        folder: of its keys.
        on_program: is given the channel and the command; tells whether it was started.
    """
    transports: list[paramiko.Transport] = []

    def serve(connection: socket.socket) -> None:
        transport = paramiko.Transport(connection)
        transports.append(transport)
        transport.add_server_key(
            paramiko.Ed25519Key.from_private_key_file(str(folder / "host_key"))
        )
        transport.start_server(server=_Server(on_program))
        transport.join()

    try:
        with listening(folder, serve) as rogue:
            yield rogue
    finally:
        for transport in transports:
            transport.close()
            transport.join(10)


def start_of(command: str) -> tuple[str, str]:
    """Return the mark that a command is to print before its program does, and its line."""
    mark = next(word for word in command.split() if word.startswith("sartor-"))
    return mark, f"{mark} 4242\n"


def flood(channel: paramiko.Channel) -> None:
    """Send without end, whatever the client allows."""
    block = bytes(30_000)
    transport = channel.get_transport()
    with suppress(OSError, EOFError, paramiko.SSHException):
        while transport.is_active():
            message = paramiko.Message()
            message.add_byte(cMSG_CHANNEL_DATA)
            message.add_int(channel.remote_chanid)
            message.add_string(block)
            transport.packetizer.send_message(message)
