"""Entries: the rows of a YAML lookup table as they stand there, before anybody believes them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import FormatError, RuntimeMissingError
from .finding import Finding


@dataclass(frozen=True, slots=True)
class Entry:
    """One row.

    Attributes:
        key: what was timed, in the file's words.
        line: where it stands, from 1.
        values: by name, as texts.
    """

    key: str
    line: int
    values: Mapping[str, str]


def read_entries(content: bytes) -> tuple[list[Entry], list[Finding]]:
    """Read ``KEY: {NAME: NUMBER, …}`` for every row, each key once.

    YAML lets a key stand there twice and means nothing by it; its readers keep the last one and do
    not tell. Here the first one is kept and the rest are found.

    Raises:
        FormatError: it is not YAML of that form.
        RuntimeMissingError: PyYAML is not installed.
    """
    entries: dict[str, Entry] = {}
    again: defaultdict[bool, list[str]] = defaultdict(list)
    for entry in map(_entry, _pairs(content)):
        if entry.key in entries:
            again[entry.values == entries[entry.key].values].append(entry.key)
        else:
            entries[entry.key] = entry
    return list(entries.values()), [
        *Finding.about("error", "keys", again[False], "{n} again, with other values"),
        *Finding.about("warning", "keys", again[True], "{n} again, with the same values"),
    ]


def _pairs(content: bytes) -> list[tuple[Any, Any]]:
    """Parse YAML into nodes, which keep what a mapping would lose: lines and doubled keys."""
    try:
        import yaml
    except ImportError as error:
        raise RuntimeMissingError(
            "PyYAML reads tables in YAML and is not installed; "
            "install it with: pip install 'sartor[exchange]'"
        ) from error
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        root = yaml.compose(content, loader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        what = getattr(error, "problem", None) or "it cannot be parsed"
        raise FormatError(f"{where}this is no YAML ({what}); fetch the file again") from error
    if not isinstance(root, yaml.MappingNode) or not root.value:
        raise FormatError("a lookup table in YAML is a mapping of keys to latencies")
    pairs: list[tuple[Any, Any]] = root.value
    return pairs


def _entry(pair: tuple[Any, Any]) -> Entry:
    key, value = pair
    line = key.start_mark.line + 1
    try:
        values = {name.value: number.value for name, number in value.value}
        texts = [key.value, *values, *values.values()]
    except (ValueError, TypeError, AttributeError) as error:
        raise FormatError(f"line {line}: a row reads KEY: {{NAME: NUMBER, …}}") from error
    if not all(isinstance(text, str) for text in texts):
        raise FormatError(f"line {line}: a row reads KEY: {{NAME: NUMBER, …}}")
    return Entry(key.value, line, values)
