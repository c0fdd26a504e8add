"""Getting to know devices over SSH: their host keys are shown, and accepted by whoever asks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import typer

from .output import note

if TYPE_CHECKING:
    from ...devices.ssh import HostKey, SshDevice

_TIMEOUT_S = 30.0
_MOST_HOSTS = 9
"""The device, and the jump hosts that may lie on the way to it."""

_REMEDY = " accept it with: "


def get_to_know(
    device: SshDevice, fingerprints: Sequence[str], command: Callable[[str], str]
) -> None:
    """Log in to a device, accepting the host keys that are not known, jump hosts' included.

    Args:
        device: to be known from now on.
        fingerprints: of keys that the user knows to be right; without any, the user is asked.
        command: says the same with a fingerprint, for where nobody can be asked.

    Raises:
        HostKeyError: a key is not accepted.
        DeviceError: the device does not answer, or does not let us in.
    """
    if fingerprints:  # what is known may be of another machine
        _accept(device, _named(device, fingerprints))
    for _ in range(_MOST_HOSTS):
        if (objection := _objection(device)) is None:
            return
        if fingerprints:
            _accept(device, _named(device, fingerprints))
        else:
            key = device.fetch_host_key()
            _ask(objection, key, command(key.fingerprint))
            _accept(device, key)


def _objection(device: SshDevice) -> Exception | None:
    """Log in; return what is said of a host key that is not known, if one is not."""
    from ...tables.errors import HostKeyError

    try:
        device.run(["true"], _TIMEOUT_S)
    except HostKeyError as error:
        return error
    return None


def _named(device: SshDevice, fingerprints: Sequence[str]) -> HostKey:
    """Fetch the key that has one of some fingerprints."""
    from ...tables.errors import HostKeyError

    for fingerprint in fingerprints[:-1]:
        with suppress(HostKeyError):
            return device.fetch_host_key(fingerprint)
    return device.fetch_host_key(fingerprints[-1])


def _ask(error: Exception, key: HostKey, command: str) -> None:
    """Ask the user whether a key is right; HostKeyError if it is not, or nobody can say."""
    from ...tables.errors import HostKeyError

    question = str(error).partition(_REMEDY)[0]
    if not sys.stdin.isatty():
        raise HostKeyError(f"{question}{_REMEDY}{command}")
    if not typer.confirm(f"{question} accept it?", err=True):
        raise HostKeyError(f"the host key {key.fingerprint} of {key.host} was not accepted")


def _accept(device: SshDevice, key: HostKey) -> None:
    device.trust_host_key(key)
    note(f"from now on {key.host} is known by its host key {key}")
