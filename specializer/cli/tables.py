"""``sartor tables``: the latency tables at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .judgement import check, diff, merge, plot
from .options import DEFAULT_STORE, JsonOption, StoreOption
from .output import note, print_facts, print_json, print_table

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
        found = opened.tables()
    if as_json:
        print_json(
            [
                {
                    "name": table.name,
                    "operators": table.operators,
                    "networks": table.networks,
                    "failures": table.failures,
                    "windows": table.windows,
                    "provenance": table.provenance.to_dict(),
                }
                for table in found
            ]
        )
        return
    print_table(
        f"Latency tables in {store}",
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

    with Store.open(store) as opened:
        table = opened.load(name)
    calibration = table.calibration
    rows = sorted(table.rows.items(), key=lambda row: -row[1].median_ms)
    if as_json:
        print_json(
            {
                "name": table.name,
                "provenance": table.provenance.to_dict(),
                "calibration": {
                    "scale": calibration.scale,
                    "offset_ms": calibration.offset_ms,
                    "networks": calibration.networks,
                    "leave_one_out_error": calibration.leave_one_out_error,
                    "margin": calibration.margin,
                },
                "failures": {str(subject): why for subject, why in table.failures.items()},
                "operators": {str(operator): row.median_ms for operator, row in rows},
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
            "operators": len(table.rows),
            "failures": len(table.failures),
            "calibration": f"{calibration.formula} from {calibration.networks} networks",
            "leave-one-out error": f"{calibration.leave_one_out_error:.1%}",
            "intervals": f"± {calibration.margin:.1%}, to hold {calibration.coverage:.0%}",
        },
    )
    print_table(
        f"Slowest {min(slowest, len(rows))} operators",
        ("operator", "latency ms", "95 % interval ms", "samples"),
        (
            (
                operator,
                f"{row.median_ms:.4f}",
                "–".join(f"{end:.4f}" for end in row.interval_ms() or ()) or "one pass only",
                len(row.samples_ms),
            )
            for operator, row in rows[:slowest]
        ),
    )


@app.command("export")
def export(
    name: NameArgument,
    file: Annotated[Path, typer.Argument(help="To write, as JSON Lines.")],
    *,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Write a table with all its samples to one portable file."""
    from ...tables import Store, write_json_lines

    with Store.open(store) as opened:
        write_json_lines(opened.load(name), file)
    note(f"wrote {file}")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="That `sartor tables export` wrote.")],
    *,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Read a table from a file that another host exported."""
    from ...tables import Store, read_json_lines

    table = read_json_lines(file)
    with Store.open(store) as opened:
        opened.add(table)
    note(f"added {table.name}: {len(table.rows)} operators")


@app.command("remove")
def remove(name: NameArgument, *, store: StoreOption = DEFAULT_STORE) -> None:
    """Forget a table and all its measurements."""
    from ...tables import Store

    with Store.open(store) as opened:
        opened.remove(name)
    note(f"removed {name}")
