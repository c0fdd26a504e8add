"""Wheels on their way to a device, in pieces.

A connection that breaks costs a piece and not a wheel: those that arrived are found there later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from zipfile import ZipFile

from ...tables.errors import DeviceError
from ..archive import temporary_file
from .orders import Workplace
from .wheels import Wheel

_PIECE_BYTES = 4 << 20

_COMPILED = 1.2
"""Python compiles modules when they are imported first, and keeps what that gives."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a wheel.

    Attributes:
        name: of its file on the device.
        content: its bytes.
    """

    name: str
    content: bytes

    @property
    def sha256(self) -> str:
        """The hash of its content, in hexadecimal digits."""
        return sha256(self.content).hexdigest()


def cut(wheel: Wheel) -> Iterator[Piece]:
    """Cut a wheel into pieces."""
    content = wheel.path.read_bytes()
    for number, start in enumerate(range(0, len(content), _PIECE_BYTES)):
        yield Piece(f"{wheel.path.name}.{number:04d}", content[start : start + _PIECE_BYTES])


def push_pieces(
    place: Workplace,
    pieces: Sequence[Piece],
    wheels: Sequence[Wheel],
    tell: Callable[[str], None],
) -> None:
    """Bring those pieces to a device that it has not got.

    Args:
        place: on the device, where they go.
        pieces: of all the wheels.
        wheels: that there has to be room for.
        tell: is called with how far it is.

    Raises:
        DeviceError: there is not enough room on the device, or it does not answer.
    """
    missing, free_bytes = _missing(place, pieces)
    travels = sum(len(piece.content) for piece in missing)
    if free_bytes < (needed := travels + _room(wheels)):
        raise DeviceError(
            f"{place.device.name} has {free_bytes / 1e6:.0f} MB free for {place.folder}, and "
            f"{needed / 1e6:.0f} MB are needed; free some space there, or give the device "
            "another folder"
        )
    done = 0
    for piece in missing:
        tell(f"bringing {travels / 1e6:.0f} MB to {place.device.name}: {done / travels:.0%}")
        with temporary_file(piece.content) as local:
            place.device.push(local, place.folder / piece.name)
        done += len(piece.content)


def _missing(place: Workplace, pieces: Sequence[Piece]) -> tuple[list[Piece], int]:
    """Return what is not there, and how many bytes are free."""
    match place.order("look", pieces={piece.name: piece.sha256 for piece in pieces}):
        case {"there": list(there), "free_bytes": int(free_bytes)}:
            return [piece for piece in pieces if piece.name not in there], free_bytes
    raise DeviceError(f"{place.device.name} does not say what is there; does its Python work?")


def _room(wheels: Sequence[Wheel]) -> int:
    """Return how many bytes wheels take on a device, besides their pieces, while they are made."""
    unpacked = 0
    for wheel in wheels:
        with ZipFile(wheel.path) as archive:
            unpacked += sum(member.file_size for member in archive.infolist())
    joined = max(wheel.path.stat().st_size for wheel in wheels)
    return int(unpacked * _COMPILED) + joined
