"""``python -m sartor.specializer.train``: make a supernet that ships, by one recipe.

Interrupt it at any time: the same command goes on where it stopped.
"""

from __future__ import annotations

import os
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import typer

from ...tables.errors import DatasetError, SartorError, UnknownNameError
from ..cli.output import note, progress_bar


def make(
    *,
    run: Annotated[Path, typer.Option(help="Folder for checkpoints and the log.")],
    out: Annotated[Path, typer.Option(help="Folder for the finished supernet.")],
    data: Annotated[
        Path | None,
        typer.Option(help="Folder with train/ and val/.", show_default="Imagenette, downloaded"),
    ] = None,
    recipe: Annotated[str, typer.Option(help="Name of a recipe.")] = "imagenette",
    name: Annotated[str, typer.Option(help="Name of the supernet.")] = "ofa-mbv3-imagenette",
    device: Annotated[str, typer.Option(help="Where torch trains: cpu or cuda.")] = "cpu",
) -> None:
    """Train a supernet and everything that ships with it."""
    from ..images import ImageFolder
    from .publish import Effort, publish
    from .recipe import RECIPES
    from .trainer import train

    if recipe not in RECIPES:
        raise UnknownNameError("recipe", recipe, sorted(RECIPES))
    chosen, root = RECIPES[recipe], data or _imagenette()
    folder = ImageFolder.scan(root / "train")
    validation = ImageFolder.scan(root / "val", folder.classes)
    trained, held_out = folder.split(chosen.held_out, chosen.seed)
    with progress_bar() as bar:
        tasks = {phase.name: bar.add_task(phase.name, total=None) for phase in chosen.phases}
        supernet = train(
            chosen,
            folder,
            run,
            lambda done: bar.update(tasks[done.phase], completed=done.step, total=done.steps),
            device,
        ).to("cpu")
        stages: dict[str, int] = {}

        def report(what: str, done: int, of: int) -> None:
            if what not in stages:
                stages[what] = int(bar.add_task(what, total=of))
            bar.update(bar.task_ids[stages[what]], completed=done)

        metadata = {
            "recipe": chosen.name,
            "data": root.name,
            "made_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }
        publish(
            name,
            supernet,
            trained,
            held_out,
            validation,
            folder.classes,
            metadata,
            out,
            Effort(),
            report,
        )
    note(f"wrote {out}")


def _imagenette() -> Path:
    from .download import fetch, imagenette_folder

    try:
        return imagenette_folder(os.environ)
    except DatasetError as absent:
        note(f"{absent}; fetching it")
        with progress_bar() as bar:
            task = bar.add_task("fetch Imagenette", total=None)
            return fetch(os.environ, lambda done, of: bar.update(task, completed=done, total=of))


def main() -> None:
    """Run the program; see ``sartor.specializer.cli.app.main`` for the exit codes."""
    try:
        typer.run(make)
    except SartorError as error:
        typer.echo(f"sartor: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
