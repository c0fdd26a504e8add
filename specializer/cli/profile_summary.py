"""What ``sartor profile`` says when it is over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...tables.errors import StoppedError, StoreError
from .output import note, print_facts, print_json, print_table
from .standing import standings_document, standings_text, table_standings

if TYPE_CHECKING:
    from ...profiler import CollectionReport, Outcome
    from ...tables import LatencyTable, Store


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of one device of several.

    Attributes:
        table: that was to be filled.
        outcome: of filling it.
    """

    table: str
    outcome: Outcome[CollectionReport]

    @property
    def verdict(self) -> str:
        """What to call it in a word or two."""
        report = self.outcome.result
        if report is None:
            return "stopped" if isinstance(self.outcome.error, StoppedError) else "failed"
        return f"{len(report.failures)} not measured" if report.failures else "complete"


def print_summary(ended: Iterable[Ended], store: Store, *, as_json: bool) -> None:
    """Print what became of several devices; tables are read one by one, for their size."""
    documents, rows, failed = [], [], {}
    for each in ended:
        outcome, report = each.outcome, each.outcome.result
        about: dict[str, object] = {"device": outcome.device, "failed": outcome.failed}
        counted, margin = "", ""
        if report is None:
            failed[outcome.device] = outcome.why
            about |= {"table": each.table, "seconds": outcome.seconds, "why": outcome.why}
            about["error"] = type(outcome.error).__name__
        else:
            counted = f"{report.measured} + {report.resumed}"
            measured = _read(store, each)
            about |= profile_document(report, measured)
            if measured is not None and measured.calibration.calibrated:
                margin = f"± {measured.calibration.margin:.1%}"
        documents.append(about)
        seconds = f"{outcome.seconds:.0f}"
        rows.append((outcome.device, each.table, counted, seconds, margin, each.verdict))
    if as_json:
        print_json({"devices": documents, "failed": list(failed)})
        return
    columns = ("device", "table", "windows, new + old", "seconds", "intervals", "outcome")
    print_table(f"Latency tables in {store.where}", columns, rows)
    if failed:
        print_facts("Failed", failed)


def _read(store: Store, ended: Ended) -> LatencyTable | None:
    """Read a table; a store that fails now takes nothing from what is to be said of the others."""
    try:
        return store.load(ended.table)
    except StoreError as error:
        note(f"{ended.outcome.device}: its table cannot be read now: {error}")
        return None


def profile_document(report: CollectionReport, table: LatencyTable | None) -> dict[str, object]:
    """Return what a collection did, and what its table holds, if it is there, for programs."""
    document: dict[str, object] = {
        "table": report.table,
        "windows_measured": report.measured,
        "windows_resumed": report.resumed,
        "failures": {str(subject): why for subject, why in report.failures.items()},
        "unsteady": [str(subject) for subject in report.unsteady],
        "agent_deaths": report.agent_deaths,
        "seconds": report.seconds,
        "busy_share": report.busy_share,
        "health_before": report.health_before.verdict,
        "health_after": report.health_after.verdict,
        "repeated_batches": report.disturbed,
    }
    if table is None:
        return document
    return document | {
        "operators": len(table.rows),
        "transferred_from": list(table.transfer.known) if table.transfer else [],
        "networks": [whole.network.name for whole in table.networks],
        "disturbed_batches": sum(bool(batch.warnings) for batch in table.health),
        "calibration": table.calibration.to_dict(),
        "rows": standings_document(table_standings(table)),
    }


def print_profile(report: CollectionReport, table: LatencyTable, where: str) -> None:
    """Print what a collection did, and what its table holds."""
    for warning in (*report.health_before.warnings, *report.health_after.warnings):
        note(f"timings may be off: {warning}")
    calibration = table.calibration
    trust = (
        f"{calibration.formula} from {calibration.networks} whole networks, intervals "
        f"± {calibration.margin:.1%}"
        if calibration.calibrated
        else "none: no whole networks were measured"
    )
    print_facts(
        f"Latency table {report.table}",
        {
            "operators": f"{len(table.rows)}, estimated from {'; '.join(table.transfer.known)}"
            if table.transfer
            else len(table.rows),
            "windows": f"{report.measured} measured, {report.resumed} were there before",
            "failures": len(report.failures),
            "not steady": f"{len(report.unsteady)} subjects, which are not known to ± 1 %",
            "calibration": trust,
            "predicted by": standings_text(table_standings(table)),
            "health": f"{report.health_before.verdict} before, {report.health_after.verdict} after",
            "disturbed": f"{report.disturbed} batches, which were measured again",
            "time": f"{report.seconds:.0f} s, the device at work {report.busy_share:.0%} of it",
            "store": where,
        },
    )
    for subject, why in report.failures.items():
        note(f"not measured: {subject}: {why}")
