"""``sartor evaluate``: really evaluate sub-networks, and fit the accuracy predictor to them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import DEFAULT_SUPERNET, DataOption, JsonOption, SeedOption, SupernetOption
from .output import note, print_facts, print_json, print_table, progress_bar

if TYPE_CHECKING:
    from ..accuracy.quality import Quality
    from ..assignment import Assignment
    from ..predictor_report import PredictorReport


def evaluate(
    *,
    supernet: SupernetOption = DEFAULT_SUPERNET,
    data: DataOption = None,
    count: Annotated[
        int, typer.Option("--count", min=18, help="Random sub-networks to evaluate.")
    ] = 300,
    best: Annotated[
        int,
        typer.Option(
            "--best", min=0, help="More of them: those that the predictor then holds for best."
        ),
    ] = 64,
    recalibrate_with: Annotated[
        Path | None,
        typer.Option(
            "--recalibrate-with",
            help="Folder of images to recalibrate BatchNorm with.",
            show_default="train/ of --data, or a part of it that is not judged on",
        ),
    ] = None,
    recalibration_images: Annotated[
        int, typer.Option("--recalibration-images", min=2, help="How many of them, at most.")
    ] = 256,
    table: Annotated[
        Path | None,
        typer.Option(
            "--from", help="CSV of evaluations to fit to; nothing is evaluated.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="CSV to write.", show_default="evaluations.csv, or the file of --from"
        ),
    ] = None,
    predictor: Annotated[
        Path | None,
        typer.Option(
            "--predictor",
            help="Where the predictor is written.",
            show_default="beside the supernet's file",
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            help="Kind of predictor: gp, mlp, comparator, ridge, or best by cross-validation.",
        ),
    ] = "ridge",
    device: Annotated[
        str, typer.Option("--device", help="Where torch computes: auto, cpu or cuda.")
    ] = "auto",
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=1024, help="Processes of this host.")
    ] = 1,
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler", help="A running Dask cluster, tcp://HOST:PORT.", show_default=False
        ),
    ] = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Evaluate sub-networks, and fit the accuracy predictor.

    Each gets BatchNorm statistics of its own and is judged on all images of --data, whose folders
    are CLASS/IMAGE, or train/CLASS/IMAGE and val/CLASS/IMAGE.

    Interrupt it at any time: the same command goes on where it stopped.
    """
    if data is None and table is None:
        raise typer.BadParameter("name labelled images with --data, or a CSV file with --from")
    if data is not None and table is not None:
        raise typer.BadParameter("--data evaluates anew and --from does not: name one of them")
    from ...tables.errors import FormatError
    from ..accuracy.models import BEST_MODEL, DEFAULT_MODEL, find_model
    from ..predictor_report import make_predictor_report, predictor_path
    from ..shipped import find_spec, lasting_name

    csv_path = out or table or Path("evaluations.csv")
    if csv_path.suffix != ".csv":
        raise FormatError(f"evaluations are kept in a .csv file, not {csv_path.name}; rename it")
    favoured = DEFAULT_MODEL if model == BEST_MODEL else model
    find_model(favoured)  # a wrong name is found before anything is evaluated
    target = predictor or predictor_path(supernet, csv_path)
    if data is not None:
        from ..assignment import Assignment
        from ..evaluate import torch_device

        assignment = Assignment(
            lasting_name(supernet),
            data.resolve(),
            None if recalibrate_with is None else recalibrate_with.resolve(),
            recalibration_images,
            seed,
            torch_device(device),
        )
        run_evaluations(assignment, count, best, csv_path, workers, scheduler, favoured)
    report = make_predictor_report(find_spec(supernet).space, table or csv_path, seed, model)
    report.fit.predictor.save(target)
    plot = report.save_plot(csv_path.with_suffix(".png"))
    if as_json:
        print_json(report.document() | {"csv": str(table or csv_path), "predictor": str(target)})
    else:
        _print(report)
    written = [*([csv_path] if table is None else []), target, *([plot] if plot else [])]
    note(f"wrote {', '.join(map(str, written))}")


def run_evaluations(
    assignment: Assignment,
    count: int,
    best: int,
    csv_path: Path,
    workers: int = 1,
    scheduler: str | None = None,
    model: str | None = None,
) -> None:
    """Fill the journal beside a CSV file, then write the file."""
    import numpy as np

    from ..accuracy.models import DEFAULT_MODEL
    from ..allocator import keep_freed_memory
    from ..cluster import Cluster
    from ..evaluation_table import write_evaluations
    from ..region import extremes_and_random
    from ..survey import survey

    keep_freed_memory()
    evaluator = assignment.evaluator()
    many = workers > 1 or scheduler is not None
    spec = evaluator.supernet.spec
    first = extremes_and_random(spec.space, count, np.random.default_rng(assignment.seed))
    with progress_bar() as bar:
        task = bar.add_task("evaluate", total=len(first) + best)
        evaluated = survey(
            Cluster(assignment, evaluator.subject, workers, scheduler) if many else evaluator,
            evaluator.supernet,
            first,
            best,
            assignment.seed,
            csv_path.with_suffix(".jsonl"),
            lambda done: bar.update(task, completed=done),
            model or DEFAULT_MODEL,
        )
    write_evaluations(csv_path, spec, evaluated, evaluator.subject.judged_images)


def _print(report: PredictorReport) -> None:
    measured = report.evaluations.top1
    print_facts(
        f"Accuracy predictor of {report.space.name}",
        {
            "model": report.model,
            "sub-networks": report.fit.networks,
            "measured top-1": f"{measured.min():.1%}–{measured.max():.1%}",
            "held-out Kendall tau": f"{report.fit.kendall_tau:.3f}",
            "held-out error": f"{100 * report.fit.mean_absolute_error:.2f} points, mean absolute",
        },
    )
    columns = "sub-networks", "Kendall tau", "error, points"
    if len(report.compared) > 1:
        print_table(
            f"Compared by cross-validation; {report.model} is kept",
            ("model", *columns),
            ((name, *_row(found)) for name, found in report.compared.items()),
        )
    print_table(
        "By resolution",
        ("resolution", *columns),
        ((label, *_row(found)) for label, found in report.by_context.items()),
    )
    if report.favourites:
        print_table(
            "What the predictor held for best, and did not know yet",
            ("round", "sub-networks", "measured top-1", "overrated by, points"),
            (
                (
                    str(one.round),
                    str(one.networks),
                    f"{one.mean_top1:.1%}",
                    f"{100 * one.overrated:+.2f}",
                )
                for one in report.favourites
            ),
        )
    if report.curve:
        print_table("How many evaluations are needed", columns, map(_row, report.curve))


def _row(found: Quality) -> tuple[str, ...]:
    error = f"{100 * found.mean_absolute_error:.2f}"
    return str(found.networks), f"{found.kendall_tau:.3f}", error
