"""Entries of the inventory: what the user has said about a device."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import Any

from ..tables.errors import FormatError
from .address import Address, parse_address

LOCAL = "local"
"""The name of the machine at hand, which needs no entry and can have none."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_FIELDS = ("address", "root", "python", "notes")


@dataclass(frozen=True, slots=True)
class Entry:
    """A device of the inventory.

    Attributes:
        name: by which commands call it, and after which tables are named.
        address: where it is.
        root: folder on it for our files; None for the transport's own choice.
        python: the interpreter that runs agents there; empty for the transport's own choice.
        notes: for people.

    Raises:
        FormatError: a field makes no sense; the message goes on from where the entry stands.
    """

    name: str
    address: Address
    root: PurePosixPath | None = None
    python: str = ""
    notes: str = ""

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.root is not None and (
            not self.root.is_absolute() or len(self.root.parts) < 2 or ".." in self.root.parts
        ):
            raise FormatError(
                f"root {str(self.root)!r} is no folder for our files; write an absolute path, such "
                "as /home/pi/sartor"
            )
        if not self.python.isprintable() or self.python.startswith("-"):
            raise FormatError(
                f"python {self.python!r} is no interpreter; write its path, such as "
                "/usr/bin/python3"
            )

    @property
    def fields(self) -> dict[str, str]:
        """What the inventory's file says of it, in that order; what is not said is left out."""
        root = "" if self.root is None else str(self.root)
        said = (str(self.address), root, self.python, self.notes)
        return {name: value for name, value in zip(_FIELDS, said, strict=True) if value}

    @classmethod
    def read(cls, name: str, fields: Mapping[str, Any]) -> Entry:
        """Read what a file says about a device; FormatError when it makes no sense."""
        for field, value in fields.items():
            if field not in _FIELDS:
                near = get_close_matches(field, _FIELDS, n=1)
                hint = f"did you mean {near[0]!r}? " if near else ""
                raise FormatError(f"no field {field!r}; {hint}known: {', '.join(_FIELDS)}")
            if not isinstance(value, str):
                raise FormatError(f"{field} has to be text in quotes")
        if not (address := fields.get("address")):
            raise FormatError(
                'an address is missing; write address = "ssh://[USER@]HOST[:PORT]", '
                '"adb://SERIAL" or "local"'
            )
        root = fields.get("root")
        return cls(
            name=name,
            address=parse_address(address),
            root=PurePosixPath(root) if root else None,
            python=fields.get("python", ""),
            notes=fields.get("notes", ""),
        )


def check_name(name: str) -> None:
    """Raise FormatError where no device of the inventory can have that name."""
    if name == LOCAL:
        raise FormatError(f"{LOCAL!r} is the machine at hand; choose another name")
    if not _NAME.fullmatch(name):
        raise FormatError(
            f"{name!r} is no name for a device; use up to 64 letters, digits, dashes and "
            "underscores, a letter or digit first"
        )
