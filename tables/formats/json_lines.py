"""Latency tables as JSON Lines: one file for git, mail and papers.

The first line is the manifest: format, version, name, provenance and how many lines follow. Every
other line is one subject with all its windows, so nothing is lost on the way::

    {"format": "sartor-latency-table", "version": 1, "name": …, "provenance": {…}, "subjects": 2}
    {"operator": "dense/960x1x1/out=10/none/float32", "windows": [{"pass": 0, "samples_us": […], …
    {"network": "160:k3e3.…", "operators": ["conv2d/…", …], "windows": […]}
    {"part": "frame 16x80x80", "windows": […]}
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic import write_atomically
from ..errors import FormatError
from ..measurement import Window
from ..operator import Operator
from ..provenance import Provenance
from ..subject import Network, Subject, parse_subject
from ..table import LatencyTable

FORMAT = "sartor-latency-table"
VERSION = 1


def write_json_lines(table: LatencyTable, path: Path) -> None:
    """Write a table to a file; OutputError if that fails, with nothing half-written."""
    write_atomically(path, to_json_lines(table))


def read_json_lines(path: Path) -> LatencyTable:
    """Read a table from a file; FormatError if it cannot be read or makes no sense."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror}; check the path") from error
    try:
        return from_json_lines(content)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from error


def to_json_lines(table: LatencyTable) -> bytes:
    """Write a table as UTF-8 text, the same bytes for the same table."""
    windows = table.windows
    subjects = sorted({*windows, *table.failures}, key=str)
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "name": table.name,
        "provenance": table.provenance.to_dict(),
        "subjects": len(subjects),
    }
    lines: list[dict[str, object]] = [manifest]
    for subject in subjects:
        line = _subject_to_dict(subject)
        line["windows"] = [_window_to_dict(window) for window in windows.get(subject, ())]
        if subject in table.failures:
            line["failure"] = table.failures[subject]
        lines.append(line)
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()


def from_json_lines(content: bytes) -> LatencyTable:
    """Read back what ``to_json_lines`` wrote.

    Raises:
        FormatError: a line makes no sense, lines are missing, or a newer Sartor wrote it.
    """
    with _telling_line(1):
        first, *lines = content.decode().removesuffix("\n").split("\n")
        manifest = json.loads(first)
        name, provenance = _read_manifest(manifest)
    if len(lines) != manifest["subjects"]:
        raise FormatError(
            f"{len(lines)} subjects where the manifest says {manifest['subjects']}: "
            "the file is truncated; fetch it again"
        )
    windows: dict[Subject, list[Window]] = {}
    failures: dict[Subject, str] = {}
    for number, line in enumerate(lines, start=2):
        with _telling_line(number):
            values = json.loads(line)
            subject = _read_subject(values)
            if subject in windows:
                raise FormatError(f"{subject} stands there twice")
            windows[subject] = [_read_window(window) for window in values["windows"]]
            if "failure" in values:
                failures[subject] = str(values["failure"])
    return LatencyTable.from_windows(name, provenance, windows, failures)


def _read_manifest(values: dict[str, Any]) -> tuple[str, Provenance]:
    if values["format"] != FORMAT:
        raise FormatError(f"the format is {values['format']!r}, not {FORMAT!r}")
    if values["version"] != VERSION:
        raise FormatError(
            f"version {values['version']} of the format, where this Sartor reads {VERSION}; "
            "update Sartor"
        )
    return str(values["name"]), Provenance.from_dict(values["provenance"])


def _subject_to_dict(subject: Subject) -> dict[str, object]:
    if isinstance(subject, Network):
        return {"network": subject.name, "operators": list(map(str, subject.operators))}
    if isinstance(subject, Operator):
        return {"operator": str(subject)}
    return {"part": str(subject)}


def _read_subject(values: dict[str, Any]) -> Subject:
    if "network" in values:
        operators = tuple(map(Operator.parse, values["operators"]))
        return Network(str(values["network"]), operators)
    return parse_subject(values["part"]) if "part" in values else Operator.parse(values["operator"])


def _window_to_dict(window: Window) -> dict[str, object]:
    """Write the samples with the digits that single precision has, as the store keeps them."""
    return {
        "pass": window.pass_index,
        "samples_us": np.array(window.samples_us, "f4").astype(str).astype(float).tolist(),
        "preempted": window.preempted,
        "reference_us": float(window.reference_us),
        "started_at": window.started_at,
    }


def _read_window(values: dict[str, Any]) -> Window:
    return Window(
        pass_index=int(values["pass"]),
        samples_us=tuple(map(float, values["samples_us"])),
        preempted=int(values["preempted"]),
        reference_us=float(values["reference_us"]),
        started_at=str(values["started_at"]),
    )


@contextmanager
def _telling_line(number: int) -> Iterator[None]:
    """Say in which line of the file something makes no sense."""
    try:
        yield
    except KeyError as error:
        raise FormatError(f"line {number}: {error} is missing; fetch the file again") from error
    except FormatError as error:
        raise FormatError(f"line {number}: {error}") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise FormatError(f"line {number}: {error}; fetch the file again") from error
