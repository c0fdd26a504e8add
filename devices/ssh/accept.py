"""Getting to know hosts: their keys are fetched, shown to the user, and written down."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ...tables.atomic import write_atomically
from ...tables.errors import FormatError, HostKeyError
from ..turns import turn
from .config import Hop
from .connect import Connection
from .host_key import HostKey
from .known_hosts import parse_known_hosts
from .trust import KINDS, Trust

_FINGERPRINT = re.compile("SHA256:[A-Za-z0-9+/]{43}=?")


def fetch_host_key(route: Sequence[Hop], trust: Trust, fingerprint: str = "") -> HostKey:
    """Ask a device for its host key, so that the user can be asked.

    On the way through jump hosts, it is the first host whose key is not known: each of them has to
    be accepted before anything is sent through it.

    Args:
        route: the hosts of the way, the device last.
        trust: what is known.
        fingerprint: of the key that is expected; a host may have several.

    Returns:
        The key of the first host that is not known, or else of the device.

    Raises:
        DeviceUnreachableError: a host does not answer.
        HostKeyError: a fingerprint was given, and no key has it.
        FormatError: the fingerprint is none.
    """
    if fingerprint and not _FINGERPRINT.fullmatch(fingerprint):
        raise FormatError(
            f"{fingerprint!r} is no fingerprint of a key, which is SHA256: and 43 characters, as "
            "ssh-keygen -l prints it"
        )
    connection = Connection(trust.name)
    try:
        for hop in route[:-1]:
            if not trust.knows(hop, _shown(connection, hop, "", trust)):
                return _shown(connection, hop, fingerprint, trust)
            connection.extend(hop, trust)
        return _shown(connection, route[-1], fingerprint, trust)
    finally:
        connection.close()


def record_host_key(key: HostKey, known_hosts: Path) -> None:
    """Write a key down; it takes the place of all others that the file holds for the host.

    Raises:
        OutputError: the file cannot be edited or written.
    """
    with suppress(OSError):  # the next line says why
        known_hosts.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with turn(known_hosts):
        try:
            lines = known_hosts.read_text(errors="surrogateescape").splitlines()
        except FileNotFoundError:
            lines = []
        kept = [line for line in lines if not _is_about(line, key.host)]
        content = "".join(f"{line}\n" for line in (*kept, key.line))
        write_atomically(known_hosts, os.fsencode(content))


def _is_about(line: str, host: str) -> bool:
    found = parse_known_hosts(line, "")
    return bool(found) and not found[0].marker and found[0].patterns == (host,)


def _shown(connection: Connection, hop: Hop, fingerprint: str, trust: Trust) -> HostKey:
    """Ask a host for its key, for all its keys if need be."""
    kinds = trust.kinds(hop)
    seen = []
    while kinds:
        key = connection.shown_key(hop, kinds)
        if key is None:
            break
        if not fingerprint or key.fingerprint == fingerprint.rstrip("="):
            return key
        seen.append(str(key))
        kinds = tuple(kind for kind in KINDS if kind in kinds and not key.is_of(kind))
    if fingerprint:
        raise HostKeyError(
            f"{hop} has no host key {fingerprint}; it shows {', '.join(seen) or 'none'}: check "
            "that it is the right machine, and that nobody listens in"
        )
    raise HostKeyError(
        f"{hop} has no host key of a kind that is understood; make one there with: ssh-keygen -A"
    )
