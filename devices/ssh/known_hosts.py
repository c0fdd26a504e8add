"""``known_hosts`` files: which keys belong to which hosts.

Source: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from ...tables.errors import DeviceError

_MARKERS = ("@revoked", "@cert-authority")
_LARGEST_FILE_BYTES = 1 << 26


@dataclass(frozen=True, slots=True)
class KnownHost:
    """One line of a ``known_hosts`` file.

    Attributes:
        patterns: that hosts have to match: names with ``*`` and ``?``, ``!`` before those that are
            not meant, or one name that is hashed.
        kind: the name of the key's algorithm.
        blob: the key itself.
        marker: ``@revoked``, ``@cert-authority``, or nothing.
        place: ``FILE:LINE``.
    """

    patterns: tuple[str, ...]
    kind: str
    blob: bytes
    marker: str
    place: str

    def speaks_of(self, host: str) -> bool:
        """Tell whether the line is about a host, named as ``host_name`` does."""
        found = False
        for pattern in self.patterns:
            if pattern.startswith("|1|"):
                found |= _is_hash_of(pattern, host)
            elif pattern.startswith("!"):
                if _matches(pattern[1:], host):
                    return False
            else:
                found |= _matches(pattern, host)
        return found


def read_known_hosts(files: Iterable[Path]) -> tuple[KnownHost, ...]:
    """Read all lines of files that make sense; files that are not there hold none.

    Raises:
        DeviceError: a file cannot be read.
    """
    found: list[KnownHost] = []
    for file in files:
        try:
            with file.open("rb") as stream:
                content = stream.read(_LARGEST_FILE_BYTES)
        except FileNotFoundError:
            continue
        except OSError as error:
            if file == Path("/dev/null"):
                continue
            raise DeviceError(
                f"cannot read the host keys in {file}: {error.strerror}; check its permissions"
            ) from error
        found += parse_known_hosts(content.decode(errors="replace"), str(file))
    return tuple(found)


def parse_known_hosts(text: str, name: str) -> list[KnownHost]:
    """Read the lines of a file of that name; as ssh does, pass over those that make no sense."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if not fields or fields[0].startswith("#"):
            continue
        marker = fields.pop(0) if fields[0].startswith("@") else ""
        if len(fields) < 3 or (marker and marker not in _MARKERS):
            continue
        try:
            blob = base64.b64decode(fields[2], validate=True)
        except ValueError:
            continue
        patterns = tuple(fields[0].split(","))
        found.append(KnownHost(patterns, fields[1], blob, marker, f"{name}:{number}"))
    return found


def keys_of(known: Sequence[KnownHost], host: str, marker: str = "") -> list[KnownHost]:
    """Return the lines of one marker that are about a host."""
    return [line for line in known if line.marker == marker and line.speaks_of(host)]


def _matches(pattern: str, host: str) -> bool:
    # fnmatch knows sets in brackets, which known_hosts does not: there they are part of a name.
    return fnmatchcase(host, pattern.lower().replace("[", "[[]"))


def _is_hash_of(pattern: str, host: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part) for part in pattern.split("|")[2:4])
    except ValueError:
        return False
    # SHA-1 is what the format prescribes; it hides names here, and proves nothing.
    return hmac.compare_digest(hmac.new(salt, host.encode(), hashlib.sha1).digest(), digest)
