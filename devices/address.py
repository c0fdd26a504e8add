"""Addresses of devices, as the inventory and the command line write them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

from ..tables.errors import FormatError
from .ssh.address import SshAddress


@dataclass(frozen=True, slots=True)
class LocalAddress:
    """The machine at hand."""

    def __str__(self) -> str:
        return "local"


@dataclass(frozen=True, slots=True)
class AdbAddress:
    """A phone, as ``adb devices`` lists it.

    Attributes:
        serial: of the phone, or ``HOST:PORT`` of one in the network.

    Raises:
        FormatError: no phone can have that serial.
    """

    serial: str

    def __post_init__(self) -> None:
        if (
            not self.serial.isascii()
            or not self.serial.isprintable()
            or any(sign in self.serial for sign in " /?#")
            or self.serial.startswith("-")
            or not self.serial
        ):
            raise FormatError(
                f"{str(self)!r} is not adb://SERIAL, with a serial as `adb devices` lists it"
            )

    def __str__(self) -> str:
        return f"adb://{self.serial}"


Address = Union[LocalAddress, SshAddress, AdbAddress]  # noqa: UP007 (Python 3.10 runs this line)


def parse_address(text: str) -> Address:
    """Read ``local``, ``ssh://[USER@]HOST[:PORT]`` or ``adb://SERIAL``; FormatError otherwise."""
    if text == "local":
        return LocalAddress()
    scheme, separator, rest = text.partition("://")
    if separator and scheme == "ssh":
        return SshAddress.parse(text)
    if separator and scheme == "adb":
        return AdbAddress(rest.removesuffix("/"))
    raise FormatError(
        f"{text!r} is no address of a device; write ssh://[USER@]HOST[:PORT], adb://SERIAL or local"
    )
