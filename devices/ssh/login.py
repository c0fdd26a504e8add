"""Logging in by keys: those of the agent, and those in files."""

from __future__ import annotations

import base64
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from paramiko import PKey, SSHException, Transport
from paramiko.agent import AgentSSH
from paramiko.ssh_exception import (
    AuthenticationException,
    BadAuthenticationType,
)

from ...tables.errors import DeviceUnreachableError, NotAuthorizedError
from .config import Hop
from .host_key import fingerprint
from .private_key import LockedKeyError, read_private_key

_AGENT_S = 20.0
LOGIN_S = 30.0


class _Agent(AgentSSH):
    """The keys of a running ``ssh-agent``; none where it does not answer."""

    def __init__(self, path: str) -> None:
        super().__init__()
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(_AGENT_S)
            connection.connect(path)
            self._connect(connection)  # type: ignore[attr-defined]
        except BaseException:
            connection.close()
            raise

    def close(self) -> None:
        """Leave the agent."""
        self._close()  # type: ignore[attr-defined]


class _Attempts:
    """What was tried, for the sentence that says why nobody was let in."""

    def __init__(self) -> None:
        self.tried: list[str] = []
        self.advice: list[str] = []


def log_in(transport: Transport, hop: Hop) -> None:
    """Log in to a host whose key was verified.

    Raises:
        NotAuthorizedError: it takes none of our keys.
        DeviceUnreachableError: it does not answer.
    """
    attempts = _Attempts()
    agent = None
    try:
        if hop.agent is not None:
            try:
                agent = _Agent(hop.agent)
            except (OSError, SSHException) as error:
                attempts.advice.append(f"the agent at {hop.agent} does not answer ({error})")
        for name, key in _keys(hop, agent, attempts):
            attempts.tried.append(name)
            if _is_let_in(transport, hop, key, attempts):
                return
    finally:
        if agent is not None:
            agent.close()
    raise _refusal(hop, attempts)


def _is_let_in(transport: Transport, hop: Hop, key: PKey, attempts: _Attempts) -> bool:
    began_s = time.monotonic()
    try:
        more = transport.auth_publickey(hop.user, key)
    except BadAuthenticationType as error:
        raise NotAuthorizedError(
            f"{hop} lets nobody in by a key, only by {', '.join(error.allowed_types) or 'nothing'}"
            "; set PubkeyAuthentication yes in its sshd_config"
        ) from error
    except AuthenticationException as error:
        if time.monotonic() - began_s >= LOGIN_S:
            raise DeviceUnreachableError(
                f"{hop} did not answer within {LOGIN_S:g} s when we logged in; check its load"
            ) from error
        if transport.is_active():
            return False
        raise _hung_up(hop, attempts) from error
    except (SSHException, EOFError, OSError) as error:
        if transport.is_active():
            attempts.advice.append(f"{attempts.tried[-1]} cannot be used ({error})")
            return False
        if isinstance(error, OSError):
            raise DeviceUnreachableError(
                f"the connection to {hop} broke when we logged in: {error}; check the network"
            ) from error
        raise _hung_up(hop, attempts) from error
    if more:
        raise NotAuthorizedError(
            f"{hop} took the key {attempts.tried[-1]} and wants {' and '.join(more)} as well, "
            "which Sartor does not answer; let this key suffice there (AuthenticationMethods)"
        )
    return True


def _keys(hop: Hop, agent: _Agent | None, attempts: _Attempts) -> Iterator[tuple[str, PKey]]:
    """Give keys in the order of their promise: named ones, the agent's, the usual files."""
    held = {key.asbytes(): key for key in agent.get_keys()} if agent else {}
    files: list[Path] = []
    for file in hop.identities:
        key = held.pop(_public_blob(file), None)
        if key is not None:
            yield f"{file} (of the agent)", key
        else:
            files.append(file)
    if hop.has_own_identities:
        yield from _file_keys(files, attempts)
        files = []
    if not hop.identities_only:
        for blob, key in held.items():
            yield f"{key.comment or fingerprint(blob)} (of the agent)", key
    yield from _file_keys(files, attempts)


def _file_keys(files: list[Path], attempts: _Attempts) -> Iterator[tuple[str, PKey]]:
    for file in files:
        if (key := _file_key(file, attempts)) is not None:
            yield str(file), key


def _file_key(file: Path, attempts: _Attempts) -> PKey | None:
    """Read a private key, None where that cannot be used, and note why."""
    try:
        return read_private_key(file)
    except FileNotFoundError:
        return None
    except LockedKeyError:
        why = f"is locked by a passphrase: unlock it with ssh-add {file}"
    except OSError as error:
        why = f"cannot be read ({error.strerror})"
    except (ValueError, SSHException) as error:
        why = f"is no private key that can be used ({error})"
    attempts.advice.append(f"{file} {why}")
    return None


def _public_blob(file: Path) -> bytes:
    """Return the public key beside a private one, nothing where there is none."""
    try:
        words = Path(f"{file}.pub").read_text(errors="replace").split()
        return base64.b64decode(words[1])
    except (OSError, IndexError, ValueError):
        return b""


def _hung_up(hop: Hop, attempts: _Attempts) -> NotAuthorizedError:
    count = len(attempts.tried)
    keys = "a key" if count == 1 else f"{count} keys"
    return NotAuthorizedError(
        f"{hop} hung up after {keys} that it did not take; name the right one in ~/.ssh/config "
        "with IdentityFile, and set IdentitiesOnly yes"
    )


def _refusal(hop: Hop, attempts: _Attempts) -> NotAuthorizedError:
    advice = "".join(f"; {sentence}" for sentence in attempts.advice)
    port = "" if hop.port == 22 else f"-p {hop.port} "
    copy = f"ssh-copy-id {port}{hop.user}@{hop.host}"
    if not attempts.tried:
        none = "no key could be offered" if attempts.advice else "there is no key to log in by"
        rest = "" if attempts.advice else f"; make one with ssh-keygen, and allow it with: {copy}"
        return NotAuthorizedError(f"{hop} lets nobody in without a key, and {none}{advice}{rest}")
    tried = ", ".join(attempts.tried)
    return NotAuthorizedError(
        f"{hop} does not take our key{'s' * (len(attempts.tried) > 1)} {tried}{advice}; "
        f"allow one with: {copy}"
    )
