"""Public lookup tables in YAML: Once-for-All, ProxylessNAS, NSGANetV2.

A row is a key and what was timed, in milliseconds: ``mean``, and perhaps ``count`` and ``std`` or
``var``.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable

from ..errors import ExpansionError, FormatError
from ..operator import Operator
from ..quotation import Quotation
from ..subject import Subject
from ..table import LatencyTable
from .entries import Entry, read_entries
from .finding import Finding, Imported, tried
from .lookup_keys import (
    KEY_FORMATS,
    NSGANET_V2,
    ONCE_FOR_ALL,
    PROXYLESS_NAS,
    KeyFormat,
)
from .origin import Origin

_FIELDS = {"mean", "std", "var", "count"}
_BLOCK = re.compile("(MBConv|expanded_conv)-.*?(-se:[01])?(-hs:[01])?")


def recognise(keys: Iterable[str]) -> KeyFormat:
    """Tell the family of a table by the keys of its blocks.

    Raises:
        FormatError: they are none that is known, or of two families.
    """
    families: Counter[str] = Counter()
    for key in keys:
        if found := _BLOCK.fullmatch(key):
            name, squeeze, _ = found.groups()
            by_flags = ONCE_FOR_ALL if squeeze else PROXYLESS_NAS
            families[(NSGANET_V2 if name == "MBConv" else by_flags).name] += 1
    if len(families) != 1:
        known = ", ".join(form.name for form in KEY_FORMATS)
        mixed = (
            f"its blocks are of {' and '.join(sorted(families))}" if families else "no known block"
        )
        raise FormatError(f"{mixed}; a table in YAML is of one of {known}")
    (name,) = families
    return next(form for form in KEY_FORMATS if form.name == name)


def read_lookup_yaml(origin: Origin) -> Imported:
    """Read a public lookup table.

    Rows that make no sense are left out, and found; so are keys that stand there twice.

    Raises:
        FormatError: it is no such table at all.
        RuntimeMissingError: PyYAML is not installed.
    """
    entries, findings = read_entries(origin.content)
    form = recognise(entry.key for entry in entries)
    operators, unknown = _operators(entries, form)
    quotations, wrong = _quotations([entry for entry in entries if entry.key in operators])
    rows: dict[Subject, Quotation] = {operators[key]: row for key, row in quotations.items()}
    odd = sorted({name for entry in entries for name in entry.values} - _FIELDS)
    findings += unknown + wrong
    if odd:
        findings.append(
            Finding("note", "values", f"nothing is known of {', '.join(odd)}: left out")
        )
    provenance = origin.provenance(form.name)
    table = LatencyTable.from_windows(origin.name, provenance, {}, {}, rows)
    return Imported(form.name, table, tuple(findings))


def _operators(
    entries: Iterable[Entry], form: KeyFormat
) -> tuple[dict[str, Operator], list[Finding]]:
    """Read the keys that can be read."""
    operators: dict[str, Operator] = {}
    confused: dict[str, str] = {}
    unknown: dict[str, str] = {}
    for entry in entries:
        read = tried(form.parse, entry.key)
        if isinstance(read, Operator):
            operators[entry.key] = read
        else:
            wrong = confused if isinstance(read, ExpansionError) else unknown
            wrong[entry.key] = f"line {entry.line}: {read}"
    return operators, [
        *Finding.about("error", "expansion", confused, "{n} with ratio and channels confused"),
        *Finding.about("warning", "keys", unknown, "{n} not understood, and left out"),
    ]


def _quotations(entries: Iterable[Entry]) -> tuple[dict[str, Quotation], list[Finding]]:
    """Read the values that can be read."""
    quotations: dict[str, Quotation] = {}
    wrong: dict[str, str] = {}
    for entry in entries:
        read = tried(_quotation, entry)
        if isinstance(read, Quotation):
            quotations[entry.key] = read
        else:
            wrong[entry.key] = f"line {entry.line}: {read}"
    return quotations, Finding.about("error", "values", wrong, "{n} without a latency")


def _quotation(entry: Entry) -> Quotation:
    numbers = {name: _number(name, text) for name, text in entry.values.items() if name in _FIELDS}
    if "mean" not in numbers:
        raise FormatError("there is no mean")
    deviation_ms = numbers.get("std")
    if "var" in numbers and deviation_ms is None:
        if numbers["var"] < 0:
            raise FormatError(f"{numbers['var']} is no variance")
        deviation_ms = math.sqrt(numbers["var"])
    count = numbers.get("count")
    if count is not None and not count.is_integer():
        raise FormatError(f"{count} is no count")
    return Quotation(numbers["mean"], deviation_ms, None if count is None else int(count))


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise FormatError(f"the {name} is {text!r}, which is no number") from error
