"""Verdicts: what a table's own numbers say against it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from .operator import Operator
from .row import Row
from .table import LatencyTable

STEADY = 0.01
"""A latency is steady when half its 95 % confidence interval is at most this share of it."""

_UNKNOWN = 0.10
"""A latency that is known to no better than this is called unknown."""

_FEW_PASSES = 3
_FEW_NETWORKS = 5
_MUCH = 0.05
_MUCH_DISTURBED = 0.3
"""Share of disturbed batches from which on a median no longer comes from the others."""
_WIDE = 0.25
"""Estimates are off by more than measurements are, and intervals say so; up to here they help."""


class Trust(Enum):
    """How far a table can be trusted."""

    GOOD = "trustworthy"
    DOUBTFUL = "doubtful"
    NONE = "not to be trusted"


class Steadiness(Enum):
    """How well one latency is known."""

    STEADY = "steady"  # to within 1 %
    UNSTEADY = "unsteady"
    UNKNOWN = "unknown"  # to no better than 10 %, or nobody can tell


@dataclass(frozen=True, slots=True)
class Doubt:
    """One thing that speaks against a table.

    Attributes:
        sentence: what it is, and what mends it.
        serious: whether the table is not to be trusted because of it.
    """

    sentence: str
    serious: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What speaks against a table.

    Attributes:
        doubts: serious ones first.
        steady: share of the operators whose latency is known to within 1 %.
        unsteady: operators whose latency is known to no better than 10 %, the worst first; those
            that were estimated are not among them.
    """

    doubts: tuple[Doubt, ...]
    steady: float
    unsteady: tuple[Operator, ...]

    @property
    def trust(self) -> Trust:
        """How far the table can be trusted."""
        if any(doubt.serious for doubt in self.doubts):
            return Trust.NONE
        return Trust.DOUBTFUL if self.doubts else Trust.GOOD


def judge_row(row: Row) -> Steadiness:
    """Tell how well a latency is known, by its confidence interval."""
    if row.relative_error <= STEADY:
        return Steadiness.STEADY
    return Steadiness.UNSTEADY if row.relative_error <= _UNKNOWN else Steadiness.UNKNOWN


def judge(table: LatencyTable) -> Verdict:
    """Look for what speaks against a table, by its own numbers."""
    rows = table.rows
    errors = {operator: row.relative_error for operator, row in rows.items()}
    unknown = sorted(
        (one for one in errors if errors[one] > _UNKNOWN and rows[one].source != "transferred"),
        key=lambda one: -errors[one],
    )
    doubts = [*_of_networks(table), *_of_rows(table, unknown), *_of_health(table)]
    return Verdict(
        doubts=tuple(sorted(doubts, key=lambda doubt: not doubt.serious)),
        steady=sum(error <= STEADY for error in errors.values()) / max(1, len(errors)),
        unsteady=tuple(unknown),
    )


def _of_networks(table: LatencyTable) -> list[Doubt]:
    calibration = table.calibration
    if not calibration.calibrated:
        return [
            Doubt(
                "no whole networks were measured: nobody knows how far off sums are", serious=True
            )
        ]
    error = calibration.leave_one_out_error
    doubts = []
    if table.transfer is None and error > _MUCH:
        sentence = (
            f"networks are predicted to {error:.1%} only, by the others: measure again on a quiet "
            "device"
        )
        doubts.append(Doubt(sentence, serious=True))
    if table.transfer is not None and calibration.margin > _WIDE:
        sentence = (
            f"networks are predicted to ± {calibration.margin:.0%} only: transfer with more "
            "--networks, or profile all operators"
        )
        doubts.append(Doubt(sentence, serious=True))
    if calibration.networks < _FEW_NETWORKS:
        sentence = f"only {calibration.networks} whole networks calibrate it; 8 are the default"
        doubts.append(Doubt(sentence, serious=False))
    return doubts


def _of_rows(table: LatencyTable, unknown: list[Operator]) -> list[Doubt]:
    if not table.rows:
        return [Doubt("it has no operators", serious=True)]
    doubts = []
    total_ms = math.fsum(abs(latency_ms) for latency_ms in table.latencies_ms.values())
    unknown_ms = math.fsum(abs(table.latencies_ms[operator]) for operator in unknown)
    if unknown_ms > _MUCH * total_ms:
        sentence = (
            f"{len(unknown)} operators with {unknown_ms / total_ms:.0%} of all time are known "
            "to no better than 10 %: profile again with more --most-passes"
        )
        doubts.append(Doubt(sentence, serious=unknown_ms > 0.5 * total_ms))
    if table.quotations:
        sentence = f"{len(table.quotations)} latencies were published: nobody here can check them"
        doubts.append(Doubt(sentence, serious=False))
    if count := sum(row.source == "transferred" for row in table.rows.values()):
        sentence = f"{count} latencies were estimated from tables of other devices, not measured"
        doubts.append(Doubt(sentence, serious=False))
    rows = [row for row in table.rows.values() if row.source not in ("published", "transferred")]
    passes = [len(row.window_medians_ms) for row in rows]
    if few := sum(count < _FEW_PASSES for count in passes):
        sentence = f"{few} operators have fewer than {_FEW_PASSES} passes: run sartor profile again"
        doubts.append(Doubt(sentence, serious=False))
    if table.failures:
        sentence = f"{len(table.failures)} subjects could not be measured: see sartor tables show"
        doubts.append(Doubt(sentence, serious=False))
    return doubts


def _of_health(table: LatencyTable) -> list[Doubt]:
    """Doubt what was measured while the device was disturbed."""
    disturbed = [batch for batch in table.health if batch.warnings]
    if not disturbed:
        return []
    share = len(disturbed) / len(table.health)
    sentence = (
        f"{len(disturbed)} of {len(table.health)} batches were measured while the device was "
        f"disturbed ({disturbed[-1].warnings[0]}): profile again when it is quiet, without --force"
    )
    return [Doubt(sentence, serious=share > _MUCH_DISTURBED)]
