"""Findings: what is odd about a file that somebody else made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, ParamSpec, TypeVar

from ..errors import FormatError, MeasurementError, SartorError
from ..table import LatencyTable

Severity = Literal["error", "warning", "note"]
"""An error is never imported, a warning only by force; a note is worth knowing."""

_NAMED = 3

_Arguments = ParamSpec("_Arguments")
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found.

    Attributes:
        severity: what it means for the import.
        check: which check found it, in a word or two.
        message: one sentence, which names the first of ``keys``.
        keys: of the rows that it is about, in the file's own words.
    """

    severity: Severity
    check: str
    message: str
    keys: tuple[str, ...] = ()

    @classmethod
    def about(
        cls, severity: Severity, check: str, rows: Sequence[str] | Mapping[str, str], sentence: str
    ) -> list[Finding]:
        """Make a finding about rows, or none where there are no rows.

        Args:
            severity: what it means for the import.
            check: which check found it.
            rows: their keys, or their keys with a remark on each.
            sentence: such as ``{n} without a latency``, where ``{n}`` becomes their number; the
                first keys follow it.
        """
        if not rows:
            return []
        remarks = rows if isinstance(rows, Mapping) else dict.fromkeys(rows, "")
        named = [f"{key} ({remark})" if remark else key for key, remark in remarks.items()]
        first = "; ".join(named[:_NAMED]) + ("; …" if len(named) > _NAMED else "")
        count = "1 row" if len(remarks) == 1 else f"{len(remarks)} rows"
        return [cls(severity, check, f"{sentence.format(n=count)}: {first}", tuple(remarks))]


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file.

    Attributes:
        format: in which the file was written.
        table: all that could be read.
        findings: what is odd about it.
    """

    format: str
    table: LatencyTable
    findings: tuple[Finding, ...]


def tried(
    read: Callable[_Arguments, _Value], *args: _Arguments.args, **kwargs: _Arguments.kwargs
) -> _Value | SartorError:
    """Return what ``read`` returns, or what is wrong: one bad row is no reason to read no other."""
    try:
        return read(*args, **kwargs)
    except (FormatError, MeasurementError) as error:
        return error
