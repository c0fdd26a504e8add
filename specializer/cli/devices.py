"""``sartor devices``: what can be profiled, what it is, and how it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from .devices_check import check, prepare
from .devices_clean import clean
from .devices_edit import add, remove, trust
from .options import InventoryOption, JsonOption
from .output import note, print_facts, print_json, print_table

if TYPE_CHECKING:
    from ...devices import Entry

app = typer.Typer(help="List, add, check, prepare and clean devices.")
for command in (add, remove, trust, check, prepare, clean):
    app.command()(command)


@app.callback(invoke_without_command=True)
def devices(
    context: typer.Context,
    *,
    inventory: InventoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the devices, and how this one is now; `check` asks the others."""
    if context.invoked_subcommand is not None:
        return
    from ...devices import LocalDevice, read_inventory

    listed = read_inventory(inventory)
    local = LocalDevice()
    facts, health = dict(local.facts().pairs), local.health()
    if as_json:
        print_json(
            [
                {
                    "name": local.name,
                    "facts": facts,
                    "health": health.verdict,
                    "warnings": health.warnings,
                },
                *({"name": entry.name} | entry.fields for entry in listed.entries),
            ]
        )
        return
    verdict = "; ".join((health.verdict, *health.warnings))
    print_facts(local.name, facts | {"health": verdict})
    if listed.entries:
        columns = ("name", "address", "root", "python", "notes")
        print_table(f"Devices in {listed.path}", columns, map(_row, listed.entries))
    else:
        note("add others with: sartor devices add NAME ADDRESS")


def _row(entry: Entry) -> tuple[str, ...]:
    return (entry.name, str(entry.address), str(entry.root or ""), entry.python, entry.notes)
