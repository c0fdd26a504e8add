"""What commands print: results on standard output, progress on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from ...tables.errors import OutputError

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.table import Table


def print_json(document: object) -> None:
    """Print a result for programs."""
    with _standard_output():
        typer.echo(json.dumps(document, indent=2, allow_nan=False))


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table for people; numbers are the caller's to format."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, collapse_padding=True)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(str, row))
    _print(table)


def print_facts(title: str, facts: Mapping[str, object]) -> None:
    """Print names and values for people; long values go on in the next line."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", show_header=False, box=None)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, str(value))
    _print(table)


def _print(table: Table) -> None:
    from rich.console import Console

    with _standard_output():
        Console(highlight=False, markup=False, emoji=False).print(table)


@contextmanager
def _standard_output() -> Iterator[None]:
    """Raise OutputError where standard output cannot take what is printed to it."""
    try:
        yield
    except BrokenPipeError:  # whoever read it has read enough, which typer knows
        raise
    except OSError as error:
        sys.stdout = None  # or Python tries once more at its end, and says so at length
        raise OutputError(
            f"cannot write to standard output: {error.strerror}; send it somewhere else"
        ) from error


def note(sentence: str) -> None:
    """Say on standard error what is going on."""
    typer.echo(sentence, err=True)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Show progress with the time left on standard error, where that is a terminal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield progress
