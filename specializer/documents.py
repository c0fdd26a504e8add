"""Frozen values as JSON objects, and back with every type checked."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import TypeVar, Union, cast, get_args, get_origin, get_type_hints

from ..tables.errors import FormatError

T = TypeVar("T")


def from_document(kind: type[T], document: object) -> T:
    """Build a frozen value from what ``json.loads`` made of its ``dataclasses.asdict``.

    Args:
        kind: a dataclass of strings, numbers, tuples of one type or of a fixed length, mappings by
            strings, optional values, and dataclasses of such.
        document: one key for each field, no others; fields with a default may be left out, as older
            documents do that did not know them.

    Raises:
        FormatError: a field is missing, unknown, or of another type; the message names it.
    """
    return cast("T", _read(kind, document, kind.__name__.lower()))


def _read(kind: object, value: object, where: str) -> object:
    if isinstance(kind, type) and is_dataclass(kind):
        return _read_dataclass(kind, value, where)
    if get_origin(kind) is tuple:
        return _read_tuple(get_args(kind), value, where)
    if get_origin(kind) is Mapping:
        return _read_mapping(get_args(kind)[1], value, where)
    if get_origin(kind) in (Union, types.UnionType):
        (present,) = (option for option in get_args(kind) if option is not types.NoneType)
        return None if value is None else _read(present, value, where)
    if not _FITS[kind](value):
        raise FormatError(f"{where} cannot be {value!r}")
    return value


def _read_dataclass(kind: type, value: object, where: str) -> object:
    hints = get_type_hints(kind)
    if not isinstance(value, dict) or not _required(kind) <= value.keys() <= hints.keys():
        raise FormatError(f"{where} wants exactly {', '.join(hints)}")
    return kind(
        **{name: _read(hints[name], found, f"{where}.{name}") for name, found in value.items()}
    )


def _required(kind: type) -> set[str]:
    """Name the fields that have no default."""
    return {
        each.name
        for each in fields(kind)
        if each.default is MISSING and each.default_factory is MISSING
    }


def _read_tuple(kinds: tuple[object, ...], value: object, where: str) -> tuple[object, ...]:
    if not isinstance(value, list):
        raise FormatError(f"{where} cannot be {value!r}")
    wanted = kinds[:1] * len(value) if kinds[-1] is Ellipsis else kinds
    if len(value) != len(wanted):
        raise FormatError(f"{where} has {len(value)} values and wants {len(wanted)}")
    return tuple(
        _read(kind, each, f"{where}[{index}]")
        for index, (kind, each) in enumerate(zip(wanted, value, strict=True))
    )


def _read_mapping(kind: object, value: object, where: str) -> object:
    if not isinstance(value, dict):
        raise FormatError(f"{where} cannot be {value!r}")
    return {name: _read(kind, each, f"{where}.{name}") for name, each in value.items()}


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_finite(value: object) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and abs(cast("float", value)) <= sys.float_info.max


_FITS: Mapping[object, Callable[[object], bool]] = {
    bool: lambda value: isinstance(value, bool),
    int: _is_whole,
    float: _is_finite,
    str: lambda value: isinstance(value, str),
}
