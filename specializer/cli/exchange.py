"""``sartor tables export`` and ``import``: tables from and for elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...tables.errors import FormatError
from .options import DEFAULT_STORE, JsonOption, StoreOption
from .output import note, print_json, print_table

if TYPE_CHECKING:
    from ...tables import LatencyTable
    from ...tables.formats.checks import Other
    from ...tables.formats.finding import Finding, Imported


class FileFormat(str, Enum):
    """What ``export`` writes."""

    JSON_LINES = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


def export(
    name: Annotated[str, typer.Argument(help="Name of a table, as listed.")],
    file: Annotated[Path, typer.Argument(help="To write.")],
    *,
    file_format: Annotated[
        FileFormat | None,
        typer.Option(
            "--format",
            help="JSON Lines hold all samples and can be imported; the others are for reading.",
            show_default="by the file's suffix",
        ),
    ] = None,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Write a table to one portable file: .jsonl with all samples, .csv or .parquet."""
    from ...tables import Store, write_atomically
    from ...tables.formats import to_csv, to_json_lines, to_parquet

    writers = {
        FileFormat.JSON_LINES: to_json_lines,
        FileFormat.CSV: to_csv,
        FileFormat.PARQUET: to_parquet,
    }
    chosen = file_format or _by_suffix(file)
    with Store.open(store) as opened:
        write_atomically(file, writers[chosen](opened.load(name)))
    note(f"wrote {file}")


def import_(
    file: Annotated[
        Path,
        typer.Argument(
            help="What `sartor tables export` wrote, or a public table: Once-for-All, "
            "ProxylessNAS or NSGANetV2 (YAML), HAT (CSV)."
        ),
    ],
    *,
    device: Annotated[
        str | None,
        typer.Option(
            "--device", help="On which a public table was measured.", show_default="unknown"
        ),
    ] = None,
    runtime: Annotated[
        str | None,
        typer.Option(
            "--runtime", help="By which a public table was measured.", show_default="unknown"
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Of the table.", show_default="by the file")
    ] = None,
    check_only: Annotated[
        bool, typer.Option("--check-only", help="Say what is odd about it, and add nothing.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Import in spite of warnings; never of errors.")
    ] = False,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Read a table from a file, and check it if it is not one of Sartor's own."""
    from ...tables import Store
    from ...tables.formats.public import review
    from ..published import expected_rows

    imported = _read(file, device, runtime, name)
    if imported.format != _OWN:
        imported = review(imported, expected_rows(imported), _others(store))
    refusal = _refusal(file, imported.findings, force=force)
    if as_json:
        print_json(_document(imported, added=not (check_only or refusal)))
    elif imported.findings:
        print_table(
            f"Findings in {file}",
            ("severity", "check", "what"),
            ((found.severity, found.check, found.message) for found in imported.findings),
        )
    if refusal:
        raise FormatError(refusal)
    table = imported.table
    holds = f"{table.name}: {len(table.rows)} operators, {len(table.networks)} networks"
    if check_only:
        note(f"could be added as {holds}")
        return
    with Store.open(store) as opened:
        opened.add(table)
    note(f"added {holds}")


_OWN = "sartor"


def _by_suffix(file: Path) -> FileFormat:
    """Choose a format by a file's suffix; JSON Lines, which keeps everything, where it has none."""
    if not file.suffix:
        return FileFormat.JSON_LINES
    known = {f".{each.value}": each for each in FileFormat}
    if file.suffix.lower() not in known:
        raise FormatError(
            f"nobody knows what to write to a file {file.suffix}; "
            f"call it {', '.join(known)}, or add --format"
        )
    return known[file.suffix.lower()]


def _read(file: Path, device: str | None, runtime: str | None, name: str | None) -> Imported:
    from datetime import datetime, timezone
    from importlib.metadata import version

    from ...tables.formats import read_file, read_json_lines
    from ...tables.formats.finding import Imported
    from ...tables.formats.origin import UNKNOWN, Origin
    from ...tables.formats.public import JSON_LINES, read_public, recognise_content

    content = read_file(file)
    written_as = recognise_content(content, file)
    if written_as == JSON_LINES:
        if device is not None or runtime is not None:
            raise FormatError(
                f"{file} says itself where it comes from; leave out --device and --runtime"
            )
        table = read_json_lines(file)
        return Imported(_OWN, replace(table, name=table.name if name is None else name), ())
    origin = Origin(
        name=file.stem if name is None else name,
        file=file.name,
        content=content,
        imported_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        sartor_version=version("sartor"),
        device=UNKNOWN if device is None else device,
        runtime=UNKNOWN if runtime is None else runtime,
    )
    return read_public(origin, written_as)


def _others(store: str) -> list[Other]:
    """Return the published tables of a store, and none where there is no store yet."""
    from ...tables import Store
    from ...tables.formats.checks import Other

    if "://" not in store and not Path(store).exists():
        return []
    with Store.open(store) as opened:
        return [
            Other(table.name, table.provenance.device, opened.quotations(table.name))
            for table in opened.tables()
            if table.quotations
        ]


def _refusal(file: Path, findings: Sequence[Finding], *, force: bool) -> str:
    """Say why a table is not imported; empty where it may be."""
    counts = {
        severity: sum(found.severity == severity for found in findings)
        for severity in ("error", "warning")
    }
    if counts["error"]:
        return f"{file} is not imported: {_counted(counts['error'], 'error')} in it; mend it first"
    if counts["warning"] and not force:
        return (
            f"{file} is not imported: {_counted(counts['warning'], 'warning')}; "
            "see to it, or import it all the same with --force"
        )
    return ""


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _document(imported: Imported, *, added: bool) -> dict[str, object]:
    from dataclasses import asdict

    table: LatencyTable = imported.table
    return {
        "name": table.name,
        "format": imported.format,
        "added": added,
        "operators": len(table.rows),
        "networks": len(table.networks),
        "provenance": table.provenance.to_dict(),
        "findings": [asdict(found) for found in imported.findings],
    }
