"""``sartor verify``: run what was exported on the device, and say whether the promise holds."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .export import FolderArgument, RuntimesOption
from .options import DataOption, DeviceOption, JsonOption, ThreadsOption
from .output import note, print_facts, print_json, print_table, progress_bar

if TYPE_CHECKING:
    from ..report import Report


def verify(
    folder: FolderArgument,
    *,
    device: DeviceOption = "local",
    runtime: RuntimesOption = None,
    threads: ThreadsOption = 1,
    data: DataOption = None,
    images: Annotated[
        int, typer.Option("--images", min=1, help="How many images to compare on.")
    ] = 32,
    as_json: JsonOption = False,
) -> None:
    """Run the exported files on a device, compare them with torch, time them, and judge.

    Exits with 1 when the budget or the numerical tolerance does not hold.
    """
    from ...devices import find_device
    from ...profiler import RUNTIMES
    from ..report import make_report, save_report

    with progress_bar() as bar:
        task = bar.add_task("verify", total=None)
        report = make_report(
            folder,
            find_device(device),
            runtime or sorted(RUNTIMES),
            threads,
            data,
            images,
            lambda what: bar.update(task, description=what),
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
    accuracy = f"predicted {choice.accuracy:.1%}"
    if choice.top1 is not None:
        accuracy += f", measured {choice.top1:.1%} on {choice.top1_images} images"
    print_facts(
        f"{choice.supernet} for {choice.device}",
        {
            "sub-network": choice.subnetwork,
            "budget": f"{choice.budget_ms:.2f} ms",
            "predicted": f"{choice.latency_ms:.2f} ms ({choice.condition})",
            "accuracy": accuracy,
        },
    )
    print_table(
        "Proof",
        ("runtime", "measured ms", "of budget", "difference to torch", "same top-1", "verdict"),
        (
            (
                proof.runtime_version,
                f"{proof.latency_ms:.2f} ({proof.low_ms:.2f}–{proof.high_ms:.2f})",
                f"{proof.latency_ms / proof.budget_ms:.0%}",
                f"{proof.difference:.1e}",
                f"{proof.agreement:.0%} of {proof.images}",
                "holds" if proof.holds else _why_not(report, index),
            )
            for index, proof in enumerate(report.proofs)
        ),
    )


def _why_not(report: Report, index: int) -> str:
    proof = report.proofs[index]
    if not proof.same:
        return "differs from torch"
    return "over budget"
