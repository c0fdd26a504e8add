"""Private keys in files, read by ``cryptography``.

Paramiko's own reading fails for half of all ECDSA keys without a comment, and for some with one
that does not end in ASCII: it looks for padding where there is none.
"""

from __future__ import annotations

import io
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from paramiko import ECDSAKey, Ed25519Key, PKey, RSAKey


class LockedKeyError(Exception):
    """A key can be read by its passphrase alone."""


def read_private_key(file: Path) -> PKey:
    """Read a private key, with the certificate beside it if there is one.

    Raises:
        OSError: the file cannot be read.
        LockedKeyError: it needs a passphrase.
        ValueError: it is no key that can be used.
    """
    content = file.read_bytes()
    try:
        try:
            loaded = serialization.load_ssh_private_key(content, None)
        except ValueError:
            loaded = serialization.load_pem_private_key(content, None)  # type: ignore[assignment]
    except TypeError as error:  # which is how a missing passphrase is told
        raise LockedKeyError from error
    except Exception as error:  # what parsers raise
        raise ValueError(str(error)) from error
    key = _as_paramiko(loaded)
    certificate = Path(f"{file}-cert.pub")
    if certificate.exists():
        key.load_certificate(str(certificate))
    return key


def _as_paramiko(loaded: object) -> PKey:
    if isinstance(loaded, RSAPrivateKey):
        return RSAKey(key=loaded)
    if isinstance(loaded, EllipticCurvePrivateKey):
        return ECDSAKey(vals=(loaded, loaded.public_key()))
    if isinstance(loaded, Ed25519PrivateKey):
        text = loaded.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        )
        return Ed25519Key.from_private_key(io.StringIO(text.decode()))
    raise ValueError(f"keys of its kind, {type(loaded).__name__}, are not supported")
