"""Certificates of hosts: host keys that an authority vouches for.

Source: OpenSSH, PROTOCOL.certkeys, and sshd(8) for ``@cert-authority`` in ``known_hosts``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

SUFFIX = "-cert-v01@openssh.com"
_HOST = 2
_PUBLIC_FIELDS = {"ssh-ed25519": 1, "ssh-rsa": 2}  # any ECDSA has 2
_WEAK_SIGNATURES = ("ssh-rsa", "ssh-dss")  # by SHA-1


@dataclass(frozen=True, slots=True)
class Certificate:
    """What an authority says about a host key.

    Attributes:
        principals: names of hosts that it may belong to; patterns.
        is_for_host: whether it is for a host rather than for a user.
        valid_after_s: since 1970, in UTC.
        valid_before_s: the same.
        has_conditions: whether it holds conditions, of which there are none for hosts.
        authority: the public key that signed it.
        signed: the bytes that are signed.
        signature: over these.
    """

    principals: tuple[str, ...]
    is_for_host: bool
    valid_after_s: int
    valid_before_s: int
    has_conditions: bool
    authority: bytes
    signed: bytes
    signature: bytes

    def objection(self, host: str, now_s: float) -> str:
        """Tell what speaks against it for a host, but for its signature; empty if nothing does."""
        if not self.is_for_host:
            return "it is for a user"
        if not self.valid_after_s <= now_s < self.valid_before_s:
            return "it is not valid now; check both clocks"
        if not any(fnmatchcase(host.lower(), name.lower()) for name in self.principals):
            return f"it is for {', '.join(self.principals) or 'nobody'}"
        if self.has_conditions:
            return "it holds conditions that nobody knows"
        return ""

    @property
    def is_signed(self) -> bool:
        """Whether the authority has signed it."""
        from paramiko import Message, PKey, SSHException

        try:
            authority_kind = _text(_Reader(self.authority))
            if _text(_Reader(self.signature)) in _WEAK_SIGNATURES:
                return False
            key = PKey.from_type_string(authority_kind, self.authority)
            return bool(key.verify_ssh_sig(self.signed, Message(self.signature)))
        except (SSHException, ValueError, LookupError):
            return False


def read_certificate(blob: bytes) -> Certificate:
    """Read a certificate as it comes from a host; ValueError when it makes no sense."""
    reader = _Reader(blob)
    kind = _text(reader).removesuffix(SUFFIX)
    for _ in range(1 + _PUBLIC_FIELDS.get(kind, 2)):  # a nonce, and the key
        reader.string()
    reader.number(8)  # its serial number
    kind_of_owner = reader.number(4)
    reader.string()  # its name
    principals = tuple(_strings(reader.string()))
    after_s, before_s = reader.number(8), reader.number(8)
    conditions = reader.string()
    reader.string()  # extensions, none for hosts
    reader.string()  # reserved
    authority = reader.string()
    signed = blob[: reader.position]
    signature = reader.string()
    if reader.position != len(blob):
        raise ValueError("there is more after its end")
    return Certificate(
        principals=principals,
        is_for_host=kind_of_owner == _HOST,
        valid_after_s=after_s,
        valid_before_s=before_s,
        has_conditions=bool(conditions),
        authority=authority,
        signed=signed,
        signature=signature,
    )


class _Reader:
    """Reads what SSH writes (RFC 4251, section 5)."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.position = 0

    def take(self, size: int) -> bytes:
        part = self._content[self.position : self.position + size]
        if len(part) != size:
            raise ValueError("it is cut short")
        self.position += size
        return part

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def string(self) -> bytes:
        (size,) = struct.unpack(">I", self.take(4))
        return self.take(size)

    @property
    def is_at_end(self) -> bool:
        return self.position == len(self._content)


def _text(reader: _Reader) -> str:
    return reader.string().decode(errors="replace")


def _strings(content: bytes) -> Iterable[str]:
    reader = _Reader(content)
    while not reader.is_at_end:
        yield _text(reader)
