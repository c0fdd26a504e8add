"""``sartor devices add`` and ``remove``: the inventory, edited."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated

import typer

from .options import InventoryOption
from .output import note

NameArgument = Annotated[str, typer.Argument(help="Name of the device, as commands call it.")]


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
    inventory: InventoryOption = None,
) -> None:
    """Add a device to the inventory."""
    from ...devices.address import parse_address
    from ...devices.edit import add_entry
    from ...devices.entry import Entry

    folder = PurePosixPath(root) if root else None
    entry = Entry(name, parse_address(address), folder, python, notes)
    path = add_entry(entry, inventory).path
    note(f"added {name} to {path}; see how it is with: sartor devices check {name}")


def remove(name: NameArgument, *, inventory: InventoryOption = None) -> None:
    """Take a device out of the inventory; its tables stay."""
    from ...devices.edit import remove_entry

    entry = remove_entry(name, inventory)
    note(f"removed {entry.name} ({entry.address})")
