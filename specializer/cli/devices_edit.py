"""``sartor devices add``, ``remove`` and ``trust``: the inventory, and who is who in it."""

from __future__ import annotations

import shlex
from pathlib import PurePosixPath
from typing import Annotated

import typer

from .host_keys import get_to_know
from .options import InventoryOption
from .output import note

NameArgument = Annotated[str, typer.Argument(help="Name of the device, as commands call it.")]
FingerprintOption = Annotated[
    list[str] | None,
    typer.Option(
        "--fingerprint",
        metavar="SHA256:…",
        help="Of its host key, as `ssh-keygen -lf` prints it there; a jump host's, too, as often "
        "as you like.",
        show_default="you are asked",
    ),
]


def add(
    name: NameArgument,
    address: Annotated[
        str, typer.Argument(help="ssh://[USER@]HOST[:PORT], adb://SERIAL, or local.")
    ],
    *,
    root: Annotated[
        str,
        typer.Option("--root", help="Folder on it for Sartor's files.", show_default="its choice"),
    ] = "",
    python: Annotated[
        str,
        typer.Option("--python", help="Interpreter that agents run by.", show_default="its own"),
    ] = "",
    notes: Annotated[str, typer.Option("--notes", help="For yourself.", show_default=False)] = "",
    fingerprint: FingerprintOption = None,
    inventory: InventoryOption = None,
) -> None:
    """Add a device to the inventory, and try to reach it.

    A device over SSH shows its host key, which you accept or not. One that does not answer is added
    all the same.
    """
    from ...devices import make_device, read_inventory
    from ...devices.address import parse_address
    from ...devices.edit import add_entry, refuse_taken
    from ...devices.entry import Entry
    from ...devices.ssh import SshDevice
    from ...tables.errors import DeviceError, HostKeyError

    folder = PurePosixPath(root) if root else None
    entry = Entry(name, parse_address(address), folder, python, notes)
    refuse_taken(entry.name, read_inventory(inventory))
    device, trouble = make_device(entry), ""

    def with_fingerprint(found: str) -> str:
        said = {"--root": root, "--python": python, "--notes": notes, "--fingerprint": found}
        options = (word for option, value in said.items() if value for word in (option, value))
        return shlex.join(["sartor", "devices", "add", name, address, *options])

    try:
        if isinstance(device, SshDevice):
            get_to_know(device, fingerprint or (), with_fingerprint)
        else:
            _refuse_fingerprint(name, fingerprint)
            device.run(["true"], 30)
    except HostKeyError:
        raise
    except DeviceError as error:
        trouble = str(error)
    path = add_entry(entry, inventory).path
    note(f"added {name} to {path}; see how it is with: sartor devices check {name}")
    if trouble:
        note(f"it cannot be used as it is: {trouble}")


def remove(name: NameArgument, *, inventory: InventoryOption = None) -> None:
    """Take a device out of the inventory; its tables stay."""
    from ...devices.edit import remove_entry

    entry = remove_entry(name, inventory)
    note(f"removed {entry.name} ({entry.address})")


def trust(
    name: NameArgument,
    *,
    fingerprint: FingerprintOption = None,
    inventory: InventoryOption = None,
) -> None:
    """Accept the host key that a device over SSH shows, in place of any that was known."""
    from ...devices import find_device
    from ...devices.ssh import SshDevice
    from ...tables.errors import FormatError

    device = find_device(name, inventory=inventory)
    if not isinstance(device, SshDevice):
        raise FormatError(f"{name} is not reached over SSH, and shows no host key")

    def with_fingerprint(found: str) -> str:
        return shlex.join(["sartor", "devices", "trust", name, "--fingerprint", found])

    get_to_know(device, fingerprint or (), with_fingerprint)
    note(f"{name} can be reached, and is known")


def _refuse_fingerprint(name: str, fingerprint: list[str] | None) -> None:
    if fingerprint:
        from ...tables.errors import FormatError

        raise FormatError(f"{name} is not reached over SSH, and has no --fingerprint")
