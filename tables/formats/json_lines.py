"""Latency tables as JSON Lines: one file for git, mail and papers.

The first line is the manifest: format, version, name, provenance and how many lines follow. Every
other line is one subject with all its windows, or with what was published or estimated of it, so
nothing is lost on the way. Where it is known how the device was during the batches, or where
estimates come from, the manifest has that, too::

    {"format": "sartor-latency-table", "version": 3, "name": …, "provenance": {…}, "subjects": 3}
    {"operator": "dense/960x1x1/out=10/none/float32", "windows": [{"pass": 0, "samples_us": […], …
    {"operator": "mbconv/…", "quotation": {"latency_ms": 1.27, "deviation_ms": 0.02, "count": 498}}
    {"network": "160:k3e3.…", "operators": ["conv2d/…", …], "windows": […]}
    {"part": "frame 16x80x80", "windows": […]}

``docs/latency-table.schema.json`` says the same to programs. Version 1 had no quotations and parts,
version 2 no estimates and no health.
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
from ..estimate import Transfer
from ..health import BatchHealth
from ..measurement import Window
from ..operator import Operator
from ..provenance import Provenance
from ..quotation import Quotation
from ..subject import Network, Subject, parse_subject
from ..table import LatencyTable

FORMAT = "sartor-latency-table"
VERSION = 3
_READ = range(1, VERSION + 1)


def write_json_lines(table: LatencyTable, path: Path) -> None:
    """Write a table to a file; OutputError if that fails, with nothing half-written."""
    write_atomically(path, to_json_lines(table))


def read_json_lines(path: Path) -> LatencyTable:
    """Read a table from a file; FormatError if it cannot be read or makes no sense."""
    content = read_file(path)
    try:
        return from_json_lines(content)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from error


def read_file(path: Path) -> bytes:
    """Read a file that a user named; FormatError if that fails."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror}; check the path") from error


def to_json_lines(table: LatencyTable) -> bytes:
    """Write a table as UTF-8 text, the same bytes for the same table."""
    windows, quotations = table.windows, table.quotations
    estimates = {} if table.transfer is None else table.transfer.latencies_ms
    subjects = sorted({*windows, *quotations, *estimates, *table.failures}, key=str)
    manifest: dict[str, object] = {
        "format": FORMAT,
        "version": VERSION,
        "name": table.name,
        "provenance": table.provenance.to_dict(),
        "subjects": len(subjects),
    }
    if table.transfer is not None:
        manifest["transfer"] = {
            "known": list(table.transfer.known),
            "offset_ms": table.transfer.offset_ms,
            "deviation": table.transfer.deviation,
        }
    if table.health:
        manifest["health"] = [health.to_dict() for health in table.health]
    lines: list[dict[str, object]] = [manifest]
    for subject in subjects:
        line = _subject_to_dict(subject)
        if subject in quotations:
            line["quotation"] = _quotation_to_dict(quotations[subject])
        elif subject in windows or subject not in estimates:
            line["windows"] = [_window_to_dict(window) for window in windows.get(subject, ())]
        if subject in estimates:
            line["estimate"] = {"latency_ms": estimates[subject]}
        if subject in table.failures:
            line["failure"] = table.failures[subject]
        lines.append(line)
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()


def from_json_lines(content: bytes) -> LatencyTable:
    """Read back what ``to_json_lines`` wrote, in this version or an older one.

    Raises:
        FormatError: a line makes no sense, lines are missing, or a newer Sartor wrote it.
    """
    with _telling_line(1):
        first, *lines = content.decode().removesuffix("\n").split("\n")
        manifest = json.loads(first)
        name, provenance = _read_manifest(manifest)
        health = tuple(map(BatchHealth.from_dict, manifest.get("health", ())))
    if len(lines) != manifest["subjects"]:
        raise FormatError(
            f"{len(lines)} subjects where the manifest says {manifest['subjects']}: "
            "the file is truncated; fetch it again"
        )
    windows: dict[Subject, list[Window]] = {}
    quotations: dict[Subject, Quotation] = {}
    estimates: dict[Subject, float] = {}
    failures: dict[Subject, str] = {}
    for number, line in enumerate(lines, start=2):
        with _telling_line(number):
            values = json.loads(line)
            subject = _read_subject(values)
            if subject in windows or subject in quotations or subject in estimates:
                raise FormatError(f"{subject} stands there twice")
            estimated = "estimate" in values and manifest["version"] > 2
            if estimated:
                estimates[subject] = float(values["estimate"]["latency_ms"])
            if "quotation" in values and manifest["version"] > 1:
                quotations[subject] = _read_quotation(values["quotation"])
            elif "windows" in values or not estimated:
                windows[subject] = [_read_window(window) for window in values["windows"]]
            if "failure" in values:
                failures[subject] = str(values["failure"])
    with _telling_line(1):
        transfer = _read_transfer(manifest, estimates)
    return LatencyTable.from_windows(
        name, provenance, windows, failures, quotations, health, transfer
    )


def _read_manifest(values: dict[str, Any]) -> tuple[str, Provenance]:
    if values["format"] != FORMAT:
        raise FormatError(f"the format is {values['format']!r}, not {FORMAT!r}")
    if values["version"] not in _READ:
        raise FormatError(
            f"version {values['version']} of the format, where this Sartor reads up to {VERSION}; "
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


def _read_transfer(manifest: dict[str, Any], estimates_ms: dict[Subject, float]) -> Transfer | None:
    if "transfer" not in manifest or manifest["version"] <= 2:
        if estimates_ms:
            raise FormatError("estimates, and nothing says where they come from")
        return None
    values = manifest["transfer"]
    numbers = float(values["offset_ms"]), float(values["deviation"])
    return Transfer.of(map(str, values["known"]), *numbers, estimates_ms)


def _quotation_to_dict(quotation: Quotation) -> dict[str, object]:
    """Write what was published, and nothing for what was not."""
    published = {
        "latency_ms": quotation.median_ms,
        "deviation_ms": quotation.deviation_ms,
        "count": quotation.count,
    }
    return {name: value for name, value in published.items() if value is not None}


def _read_quotation(values: dict[str, Any]) -> Quotation:
    deviation_ms, count = values.get("deviation_ms"), values.get("count")
    return Quotation(
        float(values["latency_ms"]),
        None if deviation_ms is None else float(deviation_ms),
        None if count is None else int(count),
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
