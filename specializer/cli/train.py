"""``sartor train``: a once-for-all supernet of the user's own images."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import JsonOption
from .output import note, print_facts, print_json, progress_bar

if TYPE_CHECKING:
    from types import FrameType

    from ..train.log import Step
    from ..train.recipe import Recipe

KINDS = ("ofa-mbv3",)


def train(
    *,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="Your images: DIR/CLASS/IMAGE, or DIR/train/CLASS/IMAGE and DIR/val/CLASS/IMAGE.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="File of weights to write, ending in .safetensors; its parts go beside it.",
            show_default=False,
        ),
    ] = None,
    supernet: Annotated[str, typer.Option(help="Kind of supernet: ofa-mbv3.")] = "ofa-mbv3",
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Name of a recipe, or a TOML file of your own.",
            show_default="default; with --split, region",
        ),
    ] = None,
    width: Annotated[
        float | None, typer.Option(help="Multiplier of every channel count.", show_default="1.0")
    ] = None,
    resolution: Annotated[
        list[int] | None,
        typer.Option(
            help="Input size in pixels, as often as you like.", show_default="the recipe's"
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            help="Weights to start from: random, efficientnet-lite0, or a supernet.",
            show_default="the recipe's",
        ),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            help="Teacher: none, efficientnet-lite0, a supernet, or an ONNX file.",
            show_default="the recipe's",
        ),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(
            help="Part of the space to train, such as resolution=96.", show_default="all of it"
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Fine-tune a copy of the supernet in --out for each value of a dimension, such "
            "as resolution or stage3.depth.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of everything random.", show_default="the recipe's")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    precision: Annotated[
        str, typer.Option(help="auto, float32, or bfloat16 (mixed precision).")
    ] = "auto",
    threads: Annotated[
        int, typer.Option(min=1, max=256, help="Threads that read images beside the training.")
    ] = 1,
    checkpoint_every_s: Annotated[
        float, typer.Option("--checkpoint-every-s", min=0, help="Seconds between checkpoints.")
    ] = 120.0,
    print_recipe: Annotated[
        bool, typer.Option("--print-recipe", help="Print the recipe as TOML, and end.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Train a supernet on your images.

    Interrupt it at any time: the same command goes on where it stopped. On several GPUs or hosts,
    start it by torchrun: torchrun --nproc-per-node 4 -m -- sartor.specializer.cli train ...
    """
    from ...tables.errors import FormatError, UnknownNameError
    from ..train.recipe_file import recipe_text

    if supernet not in KINDS:
        raise UnknownNameError("kind of supernet", supernet, KINDS)
    named = recipe or ("region" if split else "default")
    chosen = _chosen(named, width, resolution, start, teacher, region, seed)
    if print_recipe:
        typer.echo(recipe_text(chosen), nl=False)
        return
    if data is None or out is None:
        raise typer.BadParameter("name your images with --data, and what to write with --out")
    if out.suffix != ".safetensors":
        raise FormatError(f"--out names the file of weights, NAME.safetensors, not {out}")
    jobs = {out: chosen} if split is None else _regions(chosen, out, split)
    for path, job in jobs.items():
        if not _train(job, data, path, device, precision, threads, checkpoint_every_s, as_json):
            raise typer.Exit(130)
    if split is not None:
        note(
            f"{out} and its {len(jobs)} regions are one supernet now; fit its accuracy predictor "
            f"anew: sartor evaluate --supernet {out} --data {data}"
        )


def _regions(recipe: Recipe, out: Path, dimension: str) -> dict[Path, Recipe]:
    """Plan the fine-tuning of one copy of a supernet for each region of its space."""
    from dataclasses import replace

    from ..region import split
    from ..shipped import REGION, find_spec, part_of
    from ..train.known_family import trainable

    spec = trainable(str(out), find_spec(str(out)))
    like = replace(recipe, width=spec.width, resolutions=spec.resolutions, start=str(out))
    return {
        part_of(out, f"{REGION}-{index}.safetensors"): replace(like, region=str(region))
        for index, region in enumerate(split(spec.space, dimension))
    }


def _chosen(
    recipe: str,
    width: float | None,
    resolution: list[int] | None,
    start: str | None,
    teacher: str | None,
    region: str | None,
    seed: int | None,
) -> Recipe:
    """Read a recipe, and change what the command line says otherwise."""
    from dataclasses import replace

    from ..train.recipe_file import load_recipe

    changes = {
        "width": width,
        "resolutions": tuple(sorted(set(resolution))) if resolution else None,
        "start": start,
        "teacher": teacher,
        "region": region,
        "seed": seed,
    }
    named = {name: value for name, value in changes.items() if value is not None}
    return replace(load_recipe(recipe), **named)  # type: ignore[arg-type]  # each is its field's


def _train(
    recipe: Recipe,
    data: Path,
    out: Path,
    device: str,
    precision: str,
    threads: int,
    checkpoint_every_s: float,
    as_json: bool,  # noqa: FBT001 (private)
) -> bool:
    """Run a recipe with progress bars, and print what came of it; False when stopped."""
    from ..allocator import keep_freed_memory
    from ..dataset import open_dataset
    from ..train.process import join
    from ..train.run import Told, make_supernet

    keep_freed_memory()
    with join(device, precision) as process, _stop_flag() as stopped, progress_bar() as bar:
        bar.disable = bar.disable or not process.first
        tasks: dict[str, int] = {}

        def show(what: str, done: int, of: int, figures: str = "") -> None:
            if what not in tasks:
                tasks[what] = int(bar.add_task(what, total=of))
            bar.update(bar.task_ids[tasks[what]], completed=done, description=what + figures)

        def stage(what: str, done: int, of: int) -> None:
            show(what, done, of)
            if stopped():  # between steps of training the trainer asks by itself
                raise KeyboardInterrupt

        def step(done: Step) -> None:
            show(done.phase, done.step, done.steps, f"  loss {done.loss:.3f}")

        def accuracy(phase: str, number: int, large: float, small: float) -> None:
            when = f"after step {number}" if number else "at its end"
            note(f"{phase} {when}: largest {large:.1%}, smallest {small:.1%} on held-out images")

        finished = make_supernet(
            recipe,
            open_dataset(data, recipe.held_out, recipe.seed),
            out,
            process,
            threads,
            Told(step, stage, accuracy),
            stopped,
            checkpoint_every_s,
        )
        first = process.first
    if not finished:
        if first:
            note(f"stopped; {out} can be used as it is, and the same command goes on")
        return False
    if first:
        _print(out, as_json=as_json)
    return True


@contextmanager
def _stop_flag() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C (or SIGTERM) into a flag; a second one interrupts at once."""
    asked: list[int] = []

    def ask(number: int, _: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        note("stopping after this step; once more to stop without a checkpoint")

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print(out: Path, *, as_json: bool) -> None:
    """Print what the record says."""
    import json

    from ..shipped import part_of
    from ..train.finish import PREDICTOR, RECORD

    record = json.loads(part_of(out, RECORD).read_text("utf-8"))
    predictor = part_of(out, PREDICTOR)
    record["predictor"] = json.loads(predictor.read_text("utf-8")) if predictor.exists() else None
    if as_json:
        print_json(record)
    else:
        largest, smallest, *others = (row["top1"] for row in record["subnetworks"])
        facts: dict[str, object] = {"largest": f"{largest:.2%}", "smallest": f"{smallest:.2%}"}
        if others:
            mean, low, high = sum(others) / len(others), min(others), max(others)
            facts[f"{len(others)} random ones"] = f"{mean:.2%} on average, {low:.2%}–{high:.2%}"
        if record["predictor"]:
            fit = record["predictor"]
            facts["accuracy predictor"] = (
                f"Kendall τ {fit['kendall_tau']:.2f}, off by "
                f"{100 * fit['mean_absolute_error']:.2f} points, from {fit['networks']} networks"
            )
        print_facts("Top-1 on the validation images", facts)
    note(f"wrote {out}; use it with: sartor specialize --supernet {out}")
