"""Editing the inventory: comments and order stay as people wrote them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..tables.atomic import write_atomically
from ..tables.errors import InventoryError
from .entry import Entry
from .inventory import TABLE, Inventory, inventory_path, parse_inventory, read_inventory
from .turns import turn

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

_TITLE = (
    "Devices of Sartor, one table each. `sartor devices add` and `remove` edit this file, and so",
    "may you: address, root, python and notes are what an entry can have.",
)


def add_entry(entry: Entry, named: Path | None = None) -> Inventory:
    """Put a device into the inventory, whose file is made where there is none.

    Args:
        entry: of the device.
        named: the inventory's file; None for the usual one.

    Raises:
        InventoryError: there is a device of that name, or the file cannot be read.
        OutputError: it cannot be edited or written.
    """
    with _editing(named) as (inventory, document):
        refuse_taken(entry.name, inventory)
        import tomlkit
        from tomlkit.items import InlineTable

        if TABLE not in document:
            document[TABLE] = tomlkit.table(is_super_table=True)
        inline = isinstance(document[TABLE], InlineTable)  # as somebody has written it by hand
        added = tomlkit.inline_table() if inline else tomlkit.table()
        added.update(entry.fields)
        document[TABLE].update({entry.name: added})
    return read_inventory(named)


def refuse_taken(name: str, inventory: Inventory) -> None:
    """Raise InventoryError if there is a device of a name."""
    if name in inventory.names:
        raise InventoryError(
            f"there is a device {name!r} in {inventory.path} already; choose another name, or "
            f"remove it first: sartor devices remove {name}"
        )


def remove_entry(name: str, named: Path | None = None) -> Entry:
    """Take a device out of the inventory, and return what was said of it.

    Args:
        name: of the device.
        named: the inventory's file; None for the usual one.

    Raises:
        UnknownNameError: there is none of that name.
        InventoryError: the file cannot be read.
        OutputError: it cannot be edited or written.
    """
    with _editing(named) as (inventory, document):
        entry = inventory.find(name)
        del document[TABLE][name]
    return entry


@contextmanager
def _editing(named: Path | None) -> Iterator[tuple[Inventory, TOMLDocument]]:
    """Yield the inventory as values, and as a document whose changes are then written."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    path = inventory_path(named)
    # Whoever keeps the file elsewhere, and a link to it here, finds both as they were.
    path = path.resolve() if path.is_symlink() else path
    with turn(path):
        inventory = read_inventory(path)
        text = path.read_text("utf-8") if path.is_file() else ""
        try:
            if text:
                document = tomlkit.parse(text)
            else:
                document = tomlkit.document()
                for line in _TITLE:
                    document.add(tomlkit.comment(line))
            yield inventory, document
            edited = tomlkit.dumps(document)
        except TOMLKitError as error:
            raise InventoryError(
                f"{path} is written in a way that cannot be edited ({error}); edit it by hand"
            ) from error
        parse_inventory(edited, path)
        write_atomically(path, edited.encode())
