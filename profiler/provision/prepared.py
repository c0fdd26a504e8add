"""What was put on a device so that a runtime runs there, and the note of it that lies beside it.

It all lies in ``device.root/environments/RUNTIME/KEY``, the key telling one content from another,
and ``device.root/environments/RUNTIME/prepared.json`` says which of them counts. That note is read
back as if a stranger had written it: it is short, of a known form, and no path is taken from it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import PurePosixPath

from ...devices.device import Device
from ...tables.errors import FormatError

NOTE = "prepared.json"

PROGRAMS = {"environment": "bin/python", "bundle": "run", "native": "benchmark_model"}
"""What is to be run, by the kind of what was put there: the Python of a virtual environment or of a
phone's bundle, or a tool that needs none."""

_FORMAT = 1
_LONGEST_NOTE_BYTES = 1 << 16
_MOST_PARTS = 100
_TIMEOUT_S = 60
_KEY = re.compile(r"[0-9a-f]{12}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """One thing that was put on a device.

    Attributes:
        name: such as that of a Python distribution.
        version: of it.
        sha256: of the file that brought it, in lower-case hexadecimal digits.

    Raises:
        FormatError: a field makes no sense.
    """

    name: str
    version: str
    sha256: str

    def __post_init__(self) -> None:
        if not (
            _NAME.fullmatch(self.name)
            and _NAME.fullmatch(self.version)
            and _SHA256.fullmatch(self.sha256)
        ):
            shown = str(self)[:200]
            raise FormatError(f"{shown} is not a name, a version and a SHA-256")


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a runtime runs in on a device.

    Attributes:
        folder: on the device, for all that was ever put there for the runtime.
        kind: a name in ``PROGRAMS``.
        key: of what counts, twelve hexadecimal digits.
        parts: all that was put there, sorted.

    Raises:
        FormatError: a field makes no sense.
    """

    folder: PurePosixPath
    kind: str
    key: str
    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        if self.kind not in PROGRAMS:
            raise FormatError(f"{self.kind[:20]!r} is none of {', '.join(PROGRAMS)}")
        if _KEY.fullmatch(self.key) is None:
            raise FormatError(f"the key {self.key[:20]!r} is not of twelve hexadecimal digits")
        if not 0 < len(self.parts) <= _MOST_PARTS or list(self.parts) != sorted(set(self.parts)):
            raise FormatError(f"there are 1 to {_MOST_PARTS} parts, sorted, each once")

    @property
    def python(self) -> PurePosixPath:
        """What to run: an interpreter, on a phone the bundle's ``run``, or the tool itself."""
        return self.folder / self.key / PROGRAMS[self.kind]

    @property
    def note(self) -> PurePosixPath:
        """Where the note of it lies on the device."""
        return self.folder / NOTE

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Versions and hashes as (name, value), sorted by name, for the provenance of a table."""
        return tuple(
            (f"put there: {part.name}", f"{part.version} sha256:{part.sha256}")
            for part in self.parts
        )

    def to_json(self) -> str:
        """Write the note."""
        parts = [
            {"name": part.name, "version": part.version, "sha256": part.sha256}
            for part in self.parts
        ]
        note = {"format": _FORMAT, "kind": self.kind, "key": self.key, "parts": parts}
        return json.dumps(note, indent=1) + "\n"

    @classmethod
    def from_json(cls, folder: PurePosixPath, text: str) -> Prepared:
        """Read back what ``to_json`` wrote.

        Args:
            folder: that the note was found in.
            text: of the note.

        Raises:
            FormatError: it is anything else.
        """
        if len(text) > _LONGEST_NOTE_BYTES:
            raise FormatError(f"a {NOTE} is not so long")
        try:
            note = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise FormatError(f"{NOTE} is not JSON: {error}") from error
        match note:
            case {"format": int(number)} if number > _FORMAT:
                raise FormatError(f"{NOTE} was written by a newer Sartor")
            case {"format": 1, "kind": str(kind), "key": str(key), "parts": list(parts)}:
                if len(parts) > _MOST_PARTS:
                    raise FormatError(f"{NOTE} lists {len(parts)} parts, which makes no sense")
                return cls(folder, kind, key, tuple(map(_part, parts)))
            case _:
                raise FormatError(f"{NOTE} is no note of what was put there")


def content_key(parts: Iterable[Part], *circumstances: str) -> str:
    """Return the key of what is put on a device.

    Args:
        parts: all of it.
        circumstances: what else it depends on, such as the interpreter that it is for.
    """
    listed = [[part.name, part.version, part.sha256] for part in sorted(parts)]
    return sha256(json.dumps([listed, *circumstances]).encode()).hexdigest()[:12]


def runtime_folder(device: Device, runtime: str) -> PurePosixPath:
    """Return the folder on a device for all that is put there for a runtime."""
    return device.root / "environments" / runtime


def find_prepared(device: Device, runtime: str) -> Prepared | None:
    """Return what was put on a device for a runtime; None where nothing was.

    That is what the note says; whether all of it is still there is not looked at.

    Raises:
        FormatError: the note is damaged.
        DeviceError: the device does not answer.
    """
    folder = runtime_folder(device, runtime)
    # One byte more than a note may have, so that a longer one is noticed.
    command = ["head", "-c", str(_LONGEST_NOTE_BYTES + 1), str(folder / NOTE)]
    done = device.run(command, _TIMEOUT_S)
    if done.exit_code:
        return None
    try:
        return Prepared.from_json(folder, done.stdout)
    except FormatError as error:
        raise FormatError(
            f"cannot tell what was put on {device.name} for {runtime}: {error}; "
            f"put it there again: sartor devices prepare {device.name} --runtime {runtime}"
        ) from error


def _part(value: object) -> Part:
    match value:
        case {"name": str(name), "version": str(version), "sha256": str(digest)}:
            return Part(name, version, digest)
        case _:
            raise FormatError(f"{NOTE} lists a part without name, version and sha256")
