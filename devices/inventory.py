"""The inventory: the devices that the user has named, in a TOML file."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..tables.errors import FormatError, InventoryError, UnknownNameError
from .entry import LOCAL, Entry

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

VARIABLE = "SARTOR_DEVICES"
"""Of the environment: the inventory's file, where it is not the usual one."""

TABLE = "devices"
_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Inventory:
    """The devices that the user has named.

    Attributes:
        path: of its file, which need not be there.
        entries: in the order of the file.
    """

    path: Path
    entries: tuple[Entry, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all devices, that of the machine at hand first."""
        return (LOCAL, *(entry.name for entry in self.entries))

    def find(self, name: str) -> Entry:
        """Return the entry of a name; UnknownNameError when there is none."""
        for entry in self.entries:
            if entry.name == name:
                return entry
        raise UnknownNameError(
            "device",
            name,
            self.names,
            f"sartor devices add NAME ADDRESS adds one to {self.path}",
        )


def inventory_path(named: Path | None = None) -> Path:
    """Return the inventory's file.

    Args:
        named: by the user; otherwise the environment says, or the XDG base directory specification.
    """
    if named is not None:
        return named
    if path := os.environ.get(VARIABLE):
        return Path(path)
    folder = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(folder) / "sartor" / "devices.toml"


def read_inventory(named: Path | None = None) -> Inventory:
    """Read the inventory; one without entries where there is no file.

    Raises:
        InventoryError: it cannot be read, or makes no sense; says where.
    """
    path = inventory_path(named)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InventoryError(f"{path} is far too large for an inventory; name another file")
        text = path.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return Inventory(path)
    except UnicodeDecodeError as error:
        raise InventoryError(f"{path} is no text in UTF-8; name another file") from error
    except OSError as error:
        raise InventoryError(
            f"cannot read {path}: {error.strerror}; check its permissions, or name another file "
            f"with --inventory or {VARIABLE}"
        ) from error
    return Inventory(path, parse_inventory(text, path))


def parse_inventory(text: str, path: Path) -> tuple[Entry, ...]:
    """Read the entries of an inventory.

    Args:
        text: of its file.
        path: of the file, for messages.

    Raises:
        InventoryError: it makes no sense; says where.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InventoryError(f"{path} is no TOML: {_plainly(error)}; correct it there") from error
    except RecursionError as error:
        raise InventoryError(f"{path} is nested too deeply for an inventory") from error
    for key in document:
        if key != TABLE:
            raise InventoryError(
                f"{path}{_line(text, key)}: no table {key!r}; a device stands below [{TABLE}.NAME]"
            )
    listed: Any = document.get(TABLE, {})
    if not isinstance(listed, dict):
        raise InventoryError(f"{path}: a device stands below [{TABLE}.NAME], each by itself")
    return tuple(_read(name, fields, text, path) for name, fields in listed.items())


def _read(name: str, fields: object, text: str, path: Path) -> Entry:
    try:
        if not isinstance(fields, dict):
            raise FormatError(f"a device stands below [{TABLE}.NAME], with an address")
        return Entry.read(name, fields)
    except FormatError as error:
        where = f"{path}{_line(text, TABLE, name)}, [{TABLE}.{name}]"
        raise InventoryError(f"{where}: {error}") from error


def _line(text: str, *keys: str) -> str:
    """Tell in which line a table begins; nothing where it is written in another way."""
    parts = (rf"""["']?{re.escape(key)}["']?""" for key in keys)
    header = re.compile(r"\s*\[?\s*" + r"\s*[.]\s*".join(parts) + r"\s*[].=]")
    for number, line in enumerate(text.splitlines(), 1):
        if header.match(line):
            return f", line {number}"
    return ""


def _plainly(error: tomllib.TOMLDecodeError) -> str:
    """Say what is wrong with a file in the words of one who writes an inventory."""
    message = str(error)
    if match := re.search(rf"Cannot declare \('{TABLE}', '([^']*)'\) twice (.*)", message):
        return f"two devices are called {match[1]!r} {match[2]}"
    return message
