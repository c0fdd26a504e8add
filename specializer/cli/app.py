"""The program ``sartor``: its commands, and what becomes of errors."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ...tables.errors import SartorError
from . import devices, evaluate, export, profile, specialize, tables, train, verify

app = typer.Typer(
    name="sartor",
    help="Profile a device, specialize a pretrained supernet for it, ship it with a proof.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(devices.app, name="devices")
app.command("profile")(profile.profile)
app.add_typer(tables.app, name="tables")
app.command("evaluate")(evaluate.evaluate)
app.command("train")(train.train)
app.command("specialize")(specialize.specialize)
app.command("export")(export.export)
app.command("verify")(verify.verify)


@app.callback(invoke_without_command=True)
def _version(
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed_version

        typer.echo(f"sartor {installed_version('sartor')}")
        raise typer.Exit


def main() -> None:
    """Run the program: exit code 0 done, 1 an error that a sentence explains, 2 wrong usage."""
    try:
        app(prog_name="sartor")
    except SartorError as error:
        typer.echo(f"sartor: {error}", err=True)
        sys.exit(1)
