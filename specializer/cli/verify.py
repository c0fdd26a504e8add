"""``sartor verify``: run what was exported on the device, and say whether the promise holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .choice_facts import budget_facts, limit_facts, size_text
from .options import (
    DataOption,
    DeviceOption,
    FolderArgument,
    InventoryOption,
    JsonOption,
    RuntimesOption,
    ThreadsOption,
    chosen_runtimes,
)
from .output import note, print_facts, print_json, print_table, progress_bar

if TYPE_CHECKING:
    from ..report import Report
    from ..verify import Proof


def verify(
    folder: FolderArgument,
    *,
    device: DeviceOption = "local",
    runtime: RuntimesOption = None,
    threads: ThreadsOption = 1,
    passes: Annotated[
        int, typer.Option("--passes", min=2, max=100, help="Processes that time each file.")
    ] = 3,
    data: DataOption = None,
    images: Annotated[
        int, typer.Option("--images", min=1, help="How many images to compare on, at most.")
    ] = 32,
    inventory: InventoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run the exported files on a device, and judge.

    They are compared with torch, timed, and held against the budget.

    Exits with 1 when the budget or the numerical tolerance does not hold.
    """
    from ...devices import find_device
    from ..report import make_report, save_report

    target, runtimes = find_device(device, inventory=inventory), chosen_runtimes(runtime)
    with progress_bar() as bar:
        task = bar.add_task("load", total=passes * len(runtimes))
        report = make_report(
            folder,
            target,
            runtimes,
            threads=threads,
            passes=passes,
            data=data,
            images=images,
            progress=lambda done, what: bar.update(task, completed=done, description=what),
        )
    plot = save_report(report, folder)
    if as_json:
        print_json(report.document())
    else:
        _print(report)
    note(f"wrote {folder / 'report.json'}" + (f" and {plot}" if plot else ""))
    if not report.holds:
        raise typer.Exit(1)


def _print(report: Report) -> None:
    choice = report.choice
    accuracy = f"predicted {choice.accuracy.predicted:.1%}"
    if choice.accuracy.measured is not None:
        accuracy += f", measured {choice.accuracy.measured:.1%} on {choice.accuracy.images} images"
    print_facts(
        report.title,
        {
            "sub-network": choice.subnetwork,
            **budget_facts(choice),
            **limit_facts(choice),
            "accuracy": accuracy,
            "size": size_text(choice),
        },
    )
    print_table(
        "Proof",
        ("runtime", "measured ms", "of budget", "off torch", "same top-1", "verdict"),
        map(_row, report.proofs),
    )


def _row(proof: Proof) -> tuple[str, ...]:
    measured, comparison = proof.measured, proof.comparison
    difference = comparison.difference
    return (
        proof.runtime_version,
        f"{measured.latency_ms:.2f} ± {measured.high_ms - measured.latency_ms:.2f}",
        f"{measured.latency_ms / proof.budget_ms:.0%}",
        "no numbers" if difference is None else f"{difference:.1e}",
        f"{comparison.agreement:.0%} of {comparison.images}",
        proof.verdict,
    )
