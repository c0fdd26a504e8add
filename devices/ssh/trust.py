"""Whether a host is the one that was meant: its key against what is known."""

from __future__ import annotations

from pathlib import Path

from ...tables.errors import HostKeyError
from .config import Hop
from .host_key import HostKey, fingerprint, short_kind
from .known_hosts import KnownHost, keys_of, read_known_hosts

_RSA = ("rsa-sha2-512", "rsa-sha2-256")


class Trust:
    """Judges host keys by the user's ``known_hosts`` files and by Sartor's own.

    Attributes:
        name: of the device, for the command that accepts a key.
        own_file: where Sartor writes keys that users accept.
    """

    def __init__(self, name: str, own_file: Path) -> None:
        self.name, self.own_file = name, own_file

    def kinds(self, hop: Hop) -> tuple[str, ...]:
        """Return the algorithms for which a host has a key that is known, to ask for these first."""
        known = keys_of(self._known(hop), hop.known_as)
        names = dict.fromkeys(line.kind for line in known)
        return tuple(name for kind in names for name in (_RSA if kind == "ssh-rsa" else (kind,)))

    def judge(self, hop: Hop, key: HostKey) -> None:
        """Accept a key.

        Raises:
            HostKeyError: it is unknown, another one than is known, or revoked.
        """
        lines = self._known(hop)
        for line in keys_of(lines, hop.known_as, "@revoked"):
            if line.blob == key.blob:
                raise HostKeyError(
                    f"{hop} shows the host key {key}, which is revoked ({line.place}): it may be "
                    "another machine; give it a new key, ssh-keygen -A, and accept that one"
                )
        known = keys_of(lines, hop.known_as)
        if any(line.blob == key.blob for line in known):
            return
        accept = f"sartor devices trust {self.name} --fingerprint {key.fingerprint}"
        if known:
            listed = ", ".join(map(_described, known))
            raise HostKeyError(
                f"{hop} shows another host key than before: {key}, known is {listed}; somebody may "
                "be listening in, or it was installed anew; if you are sure that this is its "
                f"key, accept it with: {accept}"
            )
        raise HostKeyError(
            f"{hop} shows a host key that is not known: {key}; compare it with what "
            f"`ssh-keygen -lf /etc/ssh/ssh_host_{short_kind(key.kind).lower()}_key.pub` says there, "
            f"then accept it with: {accept}"
        )

    def _known(self, hop: Hop) -> tuple[KnownHost, ...]:
        return read_known_hosts((self.own_file, *hop.known_hosts))


def _described(line: KnownHost) -> str:
    return f"{short_kind(line.kind)} {fingerprint(line.blob)} ({line.place})"
