"""Host keys: what a machine shows that it is the one that was meant."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

_SHORT = {"ssh-ed25519": "ED25519", "ssh-rsa": "RSA"}


@dataclass(frozen=True, slots=True)
class HostKey:
    """A machine's public key.

    Attributes:
        host: as ``known_hosts`` names it: ``HOST``, or ``[HOST]:PORT`` where the port is not 22.
        kind: the name of the algorithm, such as ``ssh-ed25519``.
        blob: the key itself.
        certificate: of an authority for it, as the machine showed it; empty without one.
    """

    host: str
    kind: str
    blob: bytes
    certificate: bytes = b""

    @property
    def fingerprint(self) -> str:
        """``SHA256:`` and 43 characters, as ``ssh-keygen -lf`` prints it."""
        return fingerprint(self.blob)

    @property
    def line(self) -> str:
        """The key as a line of ``known_hosts``, without its end."""
        return f"{self.host} {self.kind} {base64.b64encode(self.blob).decode()}"

    def is_of(self, algorithm: str) -> bool:
        """Tell whether it is what a machine shows when it is asked for that algorithm."""
        return self.kind == ("ssh-rsa" if algorithm.startswith("rsa-") else algorithm)

    def __str__(self) -> str:
        """The key for people: ``ED25519 SHA256:…``."""
        return f"{short_kind(self.kind)} {self.fingerprint}"


def fingerprint(blob: bytes) -> str:
    """Return the SHA256 fingerprint of a public key as OpenSSH prints it."""
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode()
    return f"SHA256:{digest.rstrip('=')}"


def short_kind(kind: str) -> str:
    """Name an algorithm as OpenSSH does for people: ``ED25519``, ``ECDSA``, ``RSA``."""
    return _SHORT.get(kind, kind.split("-", maxsplit=1)[0].upper())


def host_name(host: str, port: int) -> str:
    """Name a host as ``known_hosts`` does."""
    return host.lower() if port == 22 else f"[{host.lower()}]:{port}"
