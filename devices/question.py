"""Questions: what is read of a device at once, in one round trip, by whatever shell it has.

A question becomes one script for ``sh`` that needs ``grep``, ``sed`` and ``head``, which GNU,
busybox and Android's toybox have. Each line of its output says where it comes from: ``/PATH:TEXT``
is a line of a file, ``:NAME:TEXT`` one that a program wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from ..tables.errors import DeviceError
from .texts import clean

if TYPE_CHECKING:
    from .device import Device

Answer: TypeAlias = Mapping[str, str]
"""What was found, by path or name. What is not there, or must not be read, is left out."""

FOUND = ">/dev/null 2>&1"
"""Ends a condition of which only the outcome counts."""

_MOST_BYTES = 2_000_000
_END = "end"
_TIMEOUT_S = 90


@dataclass(frozen=True, slots=True)
class Question:
    """What to read of a device.

    Attributes:
        files: absolute paths that may hold ``*``; nothing from users.
        programs: (name, shell command), run in this order before files are read; what a command
            prints is found under its name; its complaints are not, unless it has ``2>&1``.
        when: a shell condition without which there is nothing to ask; empty to ask anyway.
    """

    files: tuple[str, ...] = ()
    programs: tuple[tuple[str, str], ...] = ()
    when: str = ""

    @property
    def script(self) -> str:
        """The script that reads everything but what other questions read."""
        # Not every sed ends a last line that has no end.
        asked = [f"{{ {command}; }} | sed 's/^/:{name}:/'; echo" for name, command in self.programs]
        if self.files:
            # `-H` names the file also where there is one only, and `-s` forgives those that are
            # not there; an empty pattern is in every line.
            asked.append(f"grep -sH '' {' '.join(self.files)} /dev/null")
        text = "\n".join(asked)
        return f"if {self.when}; then\n{text}\nfi" if self.when else text


def ask(device: Device, *questions: Question) -> dict[str, str]:
    """Ask a device several questions in one round trip.

    Raises:
        DeviceError: it is gone, or has not even a shell that says so to the end.
    """
    completed = device.run(["sh", "-c", script_of(*questions)], _TIMEOUT_S)
    answer = read_answer(completed.stdout)
    if _END not in answer:
        why = clean(completed.stderr) or f"its answer broke off, or has over {_MOST_BYTES} bytes"
        raise DeviceError(
            f"{device.name} does not say what it is: {why}; sh, grep, sed and head are needed there"
        )
    return answer


def script_of(*questions: Question) -> str:
    """Write the script that asks several questions."""
    parts = "\n".join(question.script for question in questions)
    # Bytes that are no letters of the user's language are letters in C. Raspberry Pis had their
    # tools in /opt/vc.
    return (
        "export LC_ALL=C PATH=$PATH:/opt/vc/bin\n"
        f"{{\n{parts}\necho :{_END}:\n}} </dev/null 2>/dev/null | head -c {_MOST_BYTES}"
    )


def read_answer(output: str) -> dict[str, str]:
    """Sort the lines of an answer by where they come from."""
    found: dict[str, list[str]] = {}
    for line in output[:_MOST_BYTES].split("\n"):
        start = 1 if line.startswith(":") else 0
        colon = line.find(":", start)
        if colon > start and (start or line.startswith("/")):
            found.setdefault(line[start:colon], []).append(line[colon + 1 :].rstrip("\r"))
    return {name: "\n".join(lines) + "\n" for name, lines in found.items()}
