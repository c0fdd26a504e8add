"""``sartor tables``: the latency tables at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from . import exchange
from .judgement import check, diff, merge, plot
from .options import DEFAULT_STORE, JsonOption, StoreOption
from .output import note, print_facts, print_json, print_table
from .standing import standings_document, standings_text, table_standings

if TYPE_CHECKING:
    from ...tables import LatencyTable
    from ...tables.row import Row

NameArgument = Annotated[str, typer.Argument(help="Name of a table, as listed.")]

app = typer.Typer(help="List, show, judge, compare, draw, move latency tables.")
for command in (check, diff, merge, plot):
    app.command()(command)


@app.callback(invoke_without_command=True)
def tables(
    context: typer.Context, *, store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False
) -> None:
    """List the latency tables in the store."""
    if context.invoked_subcommand is not None:
        return
    from ...tables import Store

    with Store.open(store) as opened:
        found, where = opened.tables(), opened.where
    if as_json:
        print_json(
            [
                {
                    "name": table.name,
                    "operators": table.operators,
                    "networks": table.networks,
                    "failures": table.failures,
                    "windows": table.windows,
                    "published": table.quotations,
                    "transferred": table.estimates,
                    "provenance": table.provenance.to_dict(),
                }
                for table in found
            ]
        )
        return
    print_table(
        f"Latency tables in {where}",
        ("name", "device", "condition", "operators", "networks", "failures", "created"),
        (
            (
                table.name,
                table.provenance.device,
                table.provenance.condition,
                table.operators,
                table.networks,
                table.failures,
                table.provenance.created_at,
            )
            for table in found
        ),
    )


@app.command("show")
def show(
    name: NameArgument,
    *,
    slowest: Annotated[int, typer.Option(min=1, help="How many operators to list.")] = 15,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Show a table: where it comes from, how far to trust it, its slowest operators."""
    from ...tables import Store
    from ...tables.health import summary
    from ...tables.verdict import judge_row

    with Store.open(store) as opened:
        table = opened.load(name)
    calibration, standings = table.calibration, table_standings(table)
    rows = sorted(table.rows.items(), key=lambda row: -row[1].median_ms)
    networks = sorted(
        ((whole.network.name, whole.measurement) for whole in table.networks),
        key=lambda row: -row[1].median_ms,
    )
    if as_json:
        print_json(
            {
                "name": table.name,
                "provenance": table.provenance.to_dict(),
                "transferred_from": list(table.transfer.known) if table.transfer else [],
                "calibration": calibration.to_dict(),
                "rows": standings_document(standings),
                "health": [health.to_dict() for health in table.health],
                "failures": {str(subject): why for subject, why in table.failures.items()},
                "operators": {str(operator): _row_document(row) for operator, row in rows},
                "networks": {network: _row_document(row) for network, row in networks},
            }
        )
        return
    provenance = table.provenance
    print_facts(
        name,
        {
            "device": provenance.device,
            "condition": provenance.condition,
            "runtime": f"{provenance.runtime_version} ({provenance.runtime_sha256[:12]})",
            "created": provenance.created_at,
            "source": _source(table),
            "operators": len(table.rows),
            "networks": len(table.networks),
            "failures": len(table.failures),
            "health": summary(table.health),
            "calibration": f"{calibration.formula} from {calibration.networks} networks",
            "predicted by": standings_text(standings),
            "intervals": (
                f"± {calibration.margin:.1%} as a rule, to hold {calibration.coverage:.0%}"
                if calibration.calibrated
                else "unknown"
            ),
        },
    )
    what = "operators" if rows else "networks"
    listed = [(str(operator), row) for operator, row in rows] or networks
    print_table(
        f"Slowest {min(slowest, len(listed))} {what}",
        (what.removesuffix("s"), "latency ms", "95 % interval ms", "verdict", "samples"),
        (
            (
                subject,
                f"{row.median_ms:.4f}",
                _interval(row),
                judge_row(row).value,
                "unknown" if row.sample_count is None else row.sample_count,
            )
            for subject, row in listed[:slowest]
        ),
    )


def _source(table: LatencyTable) -> str:
    """Tell a measured table from a published one, and that by its file, and from estimates."""
    if table.transfer is not None:
        return f"transferred: {'; '.join(table.transfer.known)}"
    facts = dict(table.provenance.facts)
    if "file_sha256" not in facts:
        return "measured"
    return f"published: {facts.get('file')} ({facts['file_sha256'][:12]}), {facts.get('format')}"


def _row_document(row: Row) -> dict[str, object]:
    from ...tables.verdict import judge_row

    low_ms, high_ms = row.interval_ms() or (None, None)
    return {
        "latency_ms": row.median_ms,
        "low_ms": low_ms,
        "high_ms": high_ms,
        "samples": row.sample_count,
        "passes": len(row.window_medians_ms),
        "verdict": judge_row(row).value,
        "source": row.source,
    }


def _interval(row: Row) -> str:
    if ends_ms := row.interval_ms():
        return "–".join(f"{end:.4f}" for end in ends_ms)
    return "one pass only" if row.source == "measured" else "unknown"


app.command("export")(exchange.export)
app.command("import")(exchange.import_)


@app.command("remove")
def remove(name: NameArgument, *, store: StoreOption = DEFAULT_STORE) -> None:
    """Forget a table and all its measurements."""
    from ...tables import Store

    with Store.open(store) as opened:
        opened.remove(name)
    note(f"removed {name}")
