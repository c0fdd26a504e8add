"""Texts that a device wrote, which may be anything: small readers that never raise."""

from __future__ import annotations

import re

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,12}(\.[0-9]{1,12})?([eE][+-]?[0-9]{1,2})?")
_LONGEST = 200  # characters


def clean(text: str) -> str:
    """Return what may be stored and shown of a text: one line, nothing that moves a cursor."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text[: 2 * _LONGEST])
    return " ".join(shown.split())[:_LONGEST]


def last_line(text: str) -> str:
    """Return the last line of a text that says something, as ``clean`` does; of errors, the one."""
    said = [line for line in text[-10 * _LONGEST :].splitlines() if line.strip()]
    return clean(said[-1]) if said else ""


def whole(text: str | None) -> int | None:
    """Read a whole number; None where there is none."""
    text = (text or "").strip()
    return int(text) if _WHOLE.fullmatch(text) else None


def decimal(text: str | None) -> float | None:
    """Read a number; None where there is none."""
    text = (text or "").strip()
    return float(text) if _DECIMAL.fullmatch(text) else None


def colon_pairs(text: str) -> dict[str, str]:
    """Read lines of the form ``NAME : VALUE``; the first of a name counts."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip(), clean(value))
    return fields
