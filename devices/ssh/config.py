"""What ``~/.ssh/config`` says about a host, and the hosts that lie on the way to it."""

from __future__ import annotations

import getpass
import glob
import itertools
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from paramiko import SSHConfig
from paramiko.ssh_exception import ConfigParseError

from ...tables.errors import DeviceUnreachableError, FormatError
from .address import SshAddress
from .host_key import host_name

_SYSTEM_CONFIG = Path("/etc/ssh/ssh_config")
_SYSTEM_KNOWN_HOSTS = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
_USER_KNOWN_HOSTS = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
_IDENTITIES = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")
_CONDITIONS = ("all", "canonical", "final", "host", "originalhost", "user", "localuser")
_DEEPEST = 16
_MOST_HOPS = 8
_CONNECT_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Hop:
    """One host to log in to, with everything that has to be known for it.

    Attributes:
        alias: as it was asked for.
        host: name or IP address.
        port: of its SSH server.
        user: who logs in.
        known_as: what ``known_hosts`` files call it.
        has_key_alias: whether that is the HostKeyAlias of ``~/.ssh/config``.
        known_hosts: these files.
        identities: files of private keys, in the order in which they are tried.
        has_own_identities: whether these were named rather than the usual ones.
        identities_only: whether the agent's other keys are left alone.
        agent: the socket of the agent, None without one.
        connect_timeout_s: for the connection and for its first answer, each.
    """

    alias: str
    host: str
    port: int
    user: str
    known_as: str
    has_key_alias: bool
    known_hosts: tuple[Path, ...]
    identities: tuple[Path, ...]
    has_own_identities: bool
    identities_only: bool
    agent: str | None
    connect_timeout_s: float

    def __str__(self) -> str:
        """The hop for people: ``pi4 (pi@192.168.1.20:22)``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        where = f"{self.user}@{host}:{self.port}"
        return where if self.alias == self.host else f"{self.alias} ({where})"


def find_route(address: SshAddress, config: Path | None = None) -> tuple[Hop, ...]:
    """Return the hosts to log in to one through the other, the device last.

    Args:
        address: of the device; what it says counts more than any file.
        config: to read in place of ``~/.ssh/config`` and ``/etc/ssh/ssh_config``.

    Raises:
        FormatError: a file makes no sense.
        DeviceUnreachableError: a file asks for what is not supported, or for too many hops.
    """
    return tuple(_route(address, _Config(config), _MOST_HOPS, use_jumps=True))


class _Parsed(SSHConfig):
    """Paramiko's reading of a config, which would pass over conditions that it does not know."""

    def _does_match(self, match_list: list[dict[str, str]], *rest: object) -> object:
        known = list(itertools.takewhile(lambda one: one["type"] in _CONDITIONS, match_list))
        found = super()._does_match(known, *rest) if known else bool(match_list)  # type: ignore[misc]
        if found and len(known) < len(match_list):
            raise _UnknownConditionError(f"Match {match_list[len(known)]['type']}")
        return found


class _UnknownConditionError(Exception):
    """A block hangs on what is not supported."""


class _Config:
    def __init__(self, file: Path | None) -> None:
        files = [Path.home() / ".ssh" / "config", _SYSTEM_CONFIG] if file is None else [file]
        text = "\nHost *\n".join(_with_includes(path, _DEEPEST) for path in files)
        self.name = str(files[0])
        try:
            self._parsed = _Parsed.from_text(text)
        except (ConfigParseError, ValueError) as error:
            raise FormatError(f"{self.name} makes no sense: {error}") from error

    def lookup(self, host: str) -> Mapping[str, str | list[str] | None]:
        try:
            return self._parsed.lookup(host)
        except _UnknownConditionError as error:
            raise DeviceUnreachableError(
                f"{self.name} says '{error}' for {host}, which is not supported; use Host or "
                "Match host"
            ) from error
        except Exception as error:  # paramiko's parser raises what Python raises
            raise FormatError(f"{self.name} makes no sense for {host}: {error}") from error


def _route(address: SshAddress, config: _Config, hops_left: int, *, use_jumps: bool) -> list[Hop]:
    if hops_left <= 0:
        raise DeviceUnreachableError(
            f"{config.name} leads to {address.host} over more than {_MOST_HOPS} hosts; "
            "check ProxyJump for a circle"
        )
    options = config.lookup(address.host)
    hop = _hop(address, options, config.name)
    jumps = _text(options, "proxyjump", "none") if use_jumps else "none"
    if jumps.lower() != "none":
        before: list[Hop] = []
        # Only the first of several hosts may have one before it, as with ssh -J.
        for number, jump in enumerate(jumps.split(",")):
            try:
                via = SshAddress.parse(
                    jump if jump.startswith("ssh://") else f"ssh://{jump.strip()}"
                )
            except FormatError as error:
                raise FormatError(f"ProxyJump {jumps} in {config.name}: {error}") from error
            before += _route(via, config, hops_left - 1 - len(before), use_jumps=number == 0)
        return [*before, hop]
    if use_jumps and options.get("proxycommand"):
        raise DeviceUnreachableError(
            f"{config.name} has a ProxyCommand for {address.host}, which is not supported; "
            "use ProxyJump"
        )
    return [hop]


def _hop(
    address: SshAddress, options: Mapping[str, str | list[str] | None], config_name: str
) -> Hop:
    host = _text(options, "hostname", address.host)
    try:
        port = address.port or int(_text(options, "port", "22"))
        timeout = _text(options, "connecttimeout", "none")
        timeout_s = _CONNECT_TIMEOUT_S if timeout in ("none", "0") else float(int(timeout))
    except ValueError as error:
        raise FormatError(f"{config_name} makes no sense for {address.host}: {error}") from error
    user = address.user or _text(options, "user", "") or _who_asks()
    alias = _text(options, "hostkeyalias", "")
    tokens = {
        "%%": "%",
        "%d": str(Path.home()),
        "%h": host,
        "%n": address.host,
        "%p": str(port),
        "%r": user,
        "%u": _who_asks(),
        "%k": alias or address.host,
    }
    named = (
        *_words(_text(options, "userknownhostsfile", " ".join(_USER_KNOWN_HOSTS)), config_name),
        *_words(_text(options, "globalknownhostsfile", " ".join(_SYSTEM_KNOWN_HOSTS)), config_name),
    )
    known_hosts = [_expanded(file, tokens) for file in named if file.lower() != "none"]
    found = options.get("identityfile")
    identities = found if isinstance(found, list) else []
    agent: str | None = _text(options, "identityagent", "SSH_AUTH_SOCK")
    if agent == "SSH_AUTH_SOCK":
        agent = os.environ.get("SSH_AUTH_SOCK")
    elif agent is not None and agent.startswith("$"):
        agent = os.environ.get(agent.strip("${}"))
    elif agent is not None:
        agent = None if agent.lower() == "none" else _expanded(agent, tokens)
    return Hop(
        alias=address.host,
        host=host,
        port=port,
        user=user,
        known_as=alias.lower() or host_name(host, port),
        has_key_alias=bool(alias),
        known_hosts=tuple(map(Path, known_hosts)),
        identities=tuple(
            Path(_expanded(file, tokens))
            for file in (identities or _IDENTITIES)
            if file.lower() != "none"
        ),
        has_own_identities=bool(identities),
        identities_only=_text(options, "identitiesonly", "no").lower() == "yes",
        agent=agent or None,
        connect_timeout_s=timeout_s,
    )


def _text(options: Mapping[str, str | list[str] | None], key: str, default: str) -> str:
    value = options.get(key)
    return value if isinstance(value, str) else default


def _words(text: str, config_name: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise FormatError(f"{config_name} makes no sense: {text}: {error}") from error


def _who_asks() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise FormatError(
            "this machine does not know who you are; name the user in the address: ssh://USER@HOST"
        ) from error


def _expanded(file: str, tokens: Mapping[str, str]) -> str:
    file = re.sub("%.", lambda match: tokens.get(match[0], match[0]), file)
    return str(Path.home() / file[2:]) if file.startswith("~/") else file


def _with_includes(path: Path, depth: int) -> str:
    """Return the text of a file with what it includes; nothing for a file that is not there."""
    if depth < 0:
        raise FormatError(f"{path} includes itself; check Include in ~/.ssh/config")
    try:
        text = path.read_text(errors="replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror}") from error
    lines: list[str] = []
    block = "Host *"
    for line in text.splitlines():
        word, _, rest = line.strip().replace("=", " ", 1).partition(" ")
        if word.lower() in ("host", "match"):
            block = line
        if word.lower() != "include":
            lines.append(line)
            continue
        for included in _included(_words(rest, str(path)), path):
            lines += _with_includes(included, depth - 1).splitlines()
        lines.append(block)  # what follows belongs where it stands
    return "\n".join(lines)


def _included(patterns: Sequence[str], path: Path) -> list[Path]:
    home = Path.home()
    folder = Path("/etc/ssh") if path.is_relative_to("/etc/ssh") else home / ".ssh"
    found: list[Path] = []
    for pattern in patterns:
        whole = home / pattern[2:] if pattern.startswith("~/") else folder / pattern
        found += map(Path, sorted(glob.glob(str(whole))))  # noqa: PTH207 (takes any pattern)
    return found
