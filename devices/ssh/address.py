"""Addresses of devices that are reached over SSH."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...tables.errors import FormatError

_NAME = r"(?!-)[^\s@:/?#\[\]%\x00-\x1f\x7f]+"
_ADDRESS = re.compile(
    rf"ssh://(?:(?P<user>{_NAME})@)?"
    rf"(?:(?P<host>{_NAME})|\[(?P<ip>[0-9A-Fa-f:.]+(?:%[A-Za-z0-9_.-]+)?)\])"
    r"(?::(?P<port>[0-9]{1,5}))?/?"
)
_MOST_PORT = 65535


@dataclass(frozen=True, slots=True, order=True)
class SshAddress:
    """Where a device is, as far as the user says; ``~/.ssh/config`` may say the rest.

    Attributes:
        host: a name, an alias of ``~/.ssh/config``, or an IP address.
        user: who logs in, None for whom ``~/.ssh/config`` names, or else the user here.
        port: None for what ``~/.ssh/config`` says, or else 22.

    Raises:
        FormatError: a part makes no sense.
    """

    host: str
    user: str | None = None
    port: int | None = None

    def __post_init__(self) -> None:
        if self.port is not None and not 1 <= self.port <= _MOST_PORT:
            raise FormatError(f"{self}: a port is a number from 1 to {_MOST_PORT}")
        match = _ADDRESS.fullmatch(str(self))
        if match is None or (match["host"] or match["ip"], match["user"]) != (self.host, self.user):
            raise FormatError(f"{str(self)!r} is not ssh://[USER@]HOST[:PORT]")

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user is not None else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = f":{self.port}" if self.port is not None else ""
        return f"ssh://{user}{host}{port}"

    @classmethod
    def parse(cls, text: str) -> SshAddress:
        """Read ``ssh://[USER@]HOST[:PORT]``; IPv6 addresses stand in brackets."""
        if (match := _ADDRESS.fullmatch(text)) is None:
            why = ""
            if re.match(r"ssh://[^@/]*:[^@/]*@", text):
                why = ", and holds no password: Sartor logs in by keys"
            raise FormatError(
                f"{text!r} is not ssh://[USER@]HOST[:PORT]{why}; IPv6 addresses stand in brackets"
            )
        port = int(match["port"]) if match["port"] else None
        return cls(match["host"] or match["ip"], match["user"], port)
