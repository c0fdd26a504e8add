"""``sartor tables check, diff, merge, plot``: what tables say, of themselves and each other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import DEFAULT_STORE, JsonOption, StoreOption
from .output import note, print_facts, print_json, print_table
from .standing import standings_document, standings_text, table_standings

if TYPE_CHECKING:
    from ...tables.comparison import Change, Comparison
    from ...tables.verdict import Verdict

NameArgument = Annotated[str, typer.Argument(help="Name of a table, as listed.")]


def check(
    name: NameArgument, *, store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False
) -> None:
    """Judge a table by its own numbers; exit with 1 when it is not to be trusted."""
    from ...tables import Store
    from ...tables.verdict import Trust, judge

    with Store.open(store) as opened:
        table = opened.load(name)
    verdict, standings = judge(table), table_standings(table)
    if as_json:
        print_json(
            {
                "verdict": verdict.trust.value,
                "doubts": [doubt.sentence for doubt in verdict.doubts],
                "steady": verdict.steady,
                "unsteady": list(map(str, verdict.unsteady)),
                "rows": standings_document(standings),
            }
        )
    else:
        _print_verdict(name, verdict, standings_text(standings))
    if verdict.trust is Trust.NONE:
        raise typer.Exit(1)


def diff(
    before: NameArgument,
    after: NameArgument,
    *,
    most: Annotated[int, typer.Option(min=1, help="How many operators to list.")] = 20,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Compare two tables: which operators moved, by how much, beyond noise."""
    from ...tables import Store
    from ...tables.comparison import compare_tables

    with Store.open(store) as opened:
        comparison = compare_tables(opened.load(before), opened.load(after))
    if as_json:
        print_json(_comparison_document(comparison))
        return
    disagreement = comparison.disagreement
    print_facts(
        f"{before} → {after}",
        {
            "in both": f"{len(comparison.changes)} operators, typically × "
            f"{comparison.typical_ratio:.3f}",
            "moved": f"{len(comparison.moved)} beyond noise",
            "only before": f"{len(comparison.only_before)} operators",
            "only after": f"{len(comparison.only_after)} operators",
            "predictions": "no networks to compare them by"
            if disagreement is None
            else f"{disagreement:.1%} apart (median of {len(comparison.network_ratios)} networks)",
        },
    )
    if comparison.moved:
        print_table(
            f"Moved most, of {len(comparison.moved)}",
            ("operator", "before ms", "after ms", "ratio", "p"),
            map(_cells, comparison.moved[:most]),
        )


def merge(
    name: Annotated[str, typer.Argument(help="Name of the new table.")],
    tables: Annotated[list[str], typer.Argument(help="Names of tables, as listed.")],
    *,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Make one table of several collections on one device under one condition."""
    from ...tables import Store
    from ...tables.merge import merge_tables

    with Store.open(store) as opened:
        merged = merge_tables(name, [opened.load(one) for one in tables])
        opened.add(merged)
    note(f"added {name}: {len(merged.rows)} operators")


def plot(
    name: NameArgument,
    file: Annotated[Path, typer.Argument(help="To write, as PNG.")],
    *,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Draw a table: its networks, predicted against measured, and its operators."""
    from ...tables import Store, write_atomically
    from ...tables.errors import RuntimeMissingError

    try:
        from ..table_plot import table_png
    except ImportError as error:
        raise RuntimeMissingError(
            f"cannot draw: {error}; install matplotlib: pip install 'sartor[plot]'"
        ) from error
    with Store.open(store) as opened:
        write_atomically(file, table_png(opened.load(name)))
    note(f"wrote {file}")


def _print_verdict(name: str, verdict: Verdict, predicted_by: str) -> None:
    print_facts(
        f"{name} is {verdict.trust.value}",
        {
            "known to ± 1 %": f"{verdict.steady:.0%} of the operators",
            "worse than ± 10 %": f"{len(verdict.unsteady)} operators",
            "predicted by": predicted_by,
        },
    )
    for doubt in verdict.doubts:
        note(("against it: " if doubt.serious else "doubt: ") + doubt.sentence)


def _cells(change: Change) -> tuple[str, ...]:
    ratio = f"{change.after_ms / change.before_ms:.3f}" if change.before_ms > 0 else "–"
    times = (f"{change.before_ms:.4f}", f"{change.after_ms:.4f}")
    return (str(change.operator), *times, ratio, f"{change.p_value:.1e}")


def _comparison_document(comparison: Comparison) -> dict[str, object]:
    return {
        "typical_ratio": comparison.typical_ratio,
        "disagreement": comparison.disagreement,
        "only_before": list(map(str, comparison.only_before)),
        "only_after": list(map(str, comparison.only_after)),
        "operators": [
            {
                "operator": str(change.operator),
                "before_ms": change.before_ms,
                "after_ms": change.after_ms,
                "p_value": change.p_value,
                "moved": change.moved,
            }
            for change in comparison.changes
        ],
    }
