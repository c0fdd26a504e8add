"""Public tables: whatever format they come in, read and checked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import FormatError
from ..operator import Operator
from ..subject import Network, Subject
from . import checks, hat_csv
from .checks import Named, Other
from .finding import Finding, Imported
from .flat import COLUMNS
from .hat_csv import read_hat_csv
from .lookup_keys import KEY_FORMATS
from .lookup_yaml import read_lookup_yaml
from .origin import Origin

JSON_LINES, CSV, YAML = "JSON Lines", "CSV", "YAML"


@dataclass(frozen=True, slots=True)
class Expected:
    """What a table should hold, by the search space that it was published for.

    Attributes:
        needed: operators that networks of the space have.
        networks: the smallest and the largest, or others to judge the units by.
        findings: why nothing can be expected.
    """

    needed: frozenset[Operator] = frozenset()
    networks: tuple[Network, ...] = ()
    findings: tuple[Finding, ...] = ()


def recognise_content(content: bytes, file: Path) -> str:
    """Tell what a file is by what stands in it, and by its name where that tells nothing.

    Returns:
        ``JSON_LINES``, ``CSV`` or ``YAML``.

    Raises:
        FormatError: it is what ``sartor tables export`` writes for other programs.
    """
    suffix = file.suffix.lower()
    first = content.lstrip().partition(b"\n")[0]
    if content.startswith(b"PAR1") or first.startswith(",".join(COLUMNS[:3]).encode()):
        raise FormatError(
            f"{file} was exported for other programs, without samples; "
            "export the table as JSON Lines (.jsonl), and import that"
        )
    if first.startswith(b"{") or suffix == ".jsonl":
        return JSON_LINES
    return CSV if b"latency_mean_" in first or suffix == ".csv" else YAML


def read_public(origin: Origin, written_as: str) -> Imported:
    """Read a public table that is written as ``CSV`` or ``YAML``.

    Raises:
        FormatError: it is no table that Sartor knows.
        RuntimeMissingError: a package that reads it is not installed.
    """
    try:
        return read_hat_csv(origin) if written_as == CSV else read_lookup_yaml(origin)
    except FormatError as error:
        raise FormatError(f"{origin.file}: {error}") from error


def review(imported: Imported, expected: Expected, others: Iterable[Other]) -> Imported:
    """Check the numbers of a public table, and add what is found.

    Args:
        imported: as ``read_public`` returned it.
        expected: what its search space needs.
        others: tables that are there already.
    """
    quotations, named = imported.table.quotations, namer(imported.format)
    is_hat = imported.format == hat_csv.NAME
    networks = [whole.network for whole in imported.table.networks] or expected.networks
    plausible_ms = checks.SENTENCES_MS if is_hat else checks.IMAGES_MS
    device = imported.table.provenance.device
    found = [
        *expected.findings,
        *checks.check_emptiness(quotations),
        *checks.check_repeats(quotations, named),
        *checks.check_contamination(quotations, others, device, named),
        *checks.check_deviations(quotations, named),
        *checks.check_completeness(quotations, expected.needed, named),
        *checks.check_units(quotations, networks, plausible_ms),
    ]
    return replace(imported, findings=(*imported.findings, *found))


def namer(format_name: str) -> Named:
    """Return the function that names subjects as the files of a format do."""
    forms = [form for form in KEY_FORMATS if form.name == format_name]

    def named(subject: Subject) -> str:
        if isinstance(subject, Network):
            return subject.name
        if forms and isinstance(subject, Operator):
            return forms[0].write(subject)
        return str(subject)

    return named
