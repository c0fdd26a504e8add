"""What commands say of the rows by which a table predicts: for operators, or for blocks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...tables import LatencyTable
    from ...tables.estimator import Standing


def table_standings(table: LatencyTable) -> tuple[Standing, ...]:
    """Tell by which rows a table predicts whatever both cover, and how good the others are."""
    from ...tables.estimator import standings

    return standings(table.estimators, table.estimators[0])


def standings_document(found: Iterable[Standing]) -> list[dict[str, object]]:
    """Say it to programs."""
    return [asdict(standing) for standing in found]


def standings_text(found: Iterable[Standing]) -> str:
    """Say it to people, such as ``rows for blocks (leave-one-out error 1.2%), not …``."""
    ranked = sorted(found, key=lambda standing: not standing.used)
    texts = [f"those for {one.rows} ({_error(one)})" for one in ranked]
    return ", not ".join(texts).replace("those", "rows", 1)


def _error(standing: Standing) -> str:
    error = standing.leave_one_out_error
    return "leave-one-out error " + ("unknown" if error is None else f"{error:.1%}")
