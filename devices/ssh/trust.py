"""Whether a host is the one that was meant: its key against what is known."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from ...tables.errors import HostKeyError
from .certificate import SUFFIX, read_certificate
from .config import Hop
from .host_key import HostKey, fingerprint, host_name, short_kind
from .known_hosts import KnownHost, keys_of, read_known_hosts

_RSA = ("rsa-sha2-512", "rsa-sha2-256")
KINDS = (
    *("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    *_RSA,
)
"""Algorithms of host keys that are understood, in the order in which they are asked for."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Judges host keys by Sartor's own ``known_hosts`` file and by the user's.

    Keys in Sartor's file were accepted for this very purpose: what it says of a host counts alone.
    Only keys that any file calls revoked are so for all.

    Attributes:
        name: of the device, for the command that accepts a key.
        own_file: where Sartor writes keys that users accept.
    """

    name: str
    own_file: Path

    def kinds(self, hop: Hop) -> tuple[str, ...]:
        """Return all algorithms, those first by which a host can prove itself."""
        known = dict.fromkeys(line.kind for line in self._known(hop))
        first = [name for kind in known for name in (_RSA if kind == "ssh-rsa" else (kind,))]
        if self._authorities(hop):
            first = [*(f"{kind}{SUFFIX}" for kind in KINDS), *first]
        wanted = dict.fromkeys((*first, *KINDS))
        return tuple(kind for kind in wanted if kind.removesuffix(SUFFIX) in KINDS)

    def knows(self, hop: Hop, key: HostKey) -> bool:
        """Tell whether a key is good for a host."""
        try:
            self.judge(hop, key)
        except HostKeyError:
            return False
        return True

    def judge(self, hop: Hop, key: HostKey) -> None:
        """Accept a key.

        Raises:
            HostKeyError: it is unknown, another one than is known, or revoked.
        """
        self._refuse_revoked(hop, key.blob, str(key))
        known = self._known(hop)
        if any(line.blob == key.blob for line in known):
            return
        objection = self._objection(hop, key) if key.certificate else ""
        if key.certificate and not objection:
            return
        why = f" (its certificate does not count: {objection})" if objection else ""
        accept = f"sartor devices trust {self.name} --fingerprint {key.fingerprint}"
        if known:
            listed = ", ".join(map(_described, known))
            raise HostKeyError(
                f"{hop} shows another host key than before{why}: {key}, known is {listed}; "
                "somebody may be listening in, or it was installed anew; if you are sure that this "
                f"is its key, accept it with: {accept}"
            )
        file = f"/etc/ssh/ssh_host_{short_kind(key.kind).lower()}_key.pub"
        raise HostKeyError(
            f"{hop} shows a host key that is not known{why}: {key}; compare it with what "
            f"`ssh-keygen -lf {file}` says there, then accept it with: {accept}"
        )

    def _objection(self, hop: Hop, key: HostKey) -> str:
        """Tell what speaks against a certificate; empty if nothing does."""
        try:
            certificate = read_certificate(key.certificate)
        except ValueError as error:
            return str(error)
        authorities = {line.blob for line in self._authorities(hop)}
        if certificate.authority not in authorities:
            return "no authority that we know has signed it"
        self._refuse_revoked(hop, certificate.authority, "of an authority")
        if not certificate.is_signed:
            return "its signature is wrong"
        name = hop.known_as if hop.has_key_alias else hop.host
        return certificate.objection(name, time.time())

    def _refuse_revoked(self, hop: Hop, blob: bytes, which: str) -> None:
        for line in keys_of(self._lines(hop), hop.known_as, "@revoked"):
            if line.blob == blob:
                raise HostKeyError(
                    f"{hop} shows the host key {which}, which is revoked ({line.place}): it may be "
                    "another machine; give it a new key with ssh-keygen -A, and accept that one"
                )

    def _known(self, hop: Hop) -> list[KnownHost]:
        own = keys_of(read_known_hosts([self.own_file]), hop.known_as)
        return own or keys_of(read_known_hosts(hop.known_hosts), hop.known_as)

    def _authorities(self, hop: Hop) -> list[KnownHost]:
        lines = self._lines(hop)
        names = dict.fromkeys((hop.known_as, host_name(hop.host, 22)))  # ssh looks at both, too
        return [line for name in names for line in keys_of(lines, name, "@cert-authority")]

    def _lines(self, hop: Hop) -> tuple[KnownHost, ...]:
        return read_known_hosts((self.own_file, *hop.known_hosts))


def _described(line: KnownHost) -> str:
    return f"{short_kind(line.kind)} {fingerprint(line.blob)} ({line.place})"
