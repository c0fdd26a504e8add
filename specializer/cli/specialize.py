"""``sartor specialize``: the most accurate sub-network within a latency budget."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import (
    DEFAULT_STORE,
    DEFAULT_SUPERNET,
    DataOption,
    JsonOption,
    SeedOption,
    StoreOption,
    SupernetOption,
)
from .output import note, print_facts, print_json

if TYPE_CHECKING:
    from ..specialization import Choice


def specialize(
    *,
    table: Annotated[str, typer.Option("--table", help="Latency table of the device.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the network.")],
    latency_ms: Annotated[
        float | None,
        typer.Option(
            "--latency-ms",
            help="Budget in milliseconds.",
            show_default="half the latency of the largest sub-network",
        ),
    ] = None,
    supernet: SupernetOption = DEFAULT_SUPERNET,
    data: DataOption = None,
    seed: SeedOption = 0,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Search a supernet for the most accurate network within a latency budget."""
    from ...tables import Store
    from ..specialize import Specializer

    with Store.open(store) as opened:
        latency_table = opened.load(table)
    specializer = Specializer.open(supernet, latency_table)
    budget_ms = latency_ms if latency_ms is not None else specializer.latency_ms(specializer.spec.space.largest) / 2
    started = time.perf_counter()
    found = specializer.search(budget_ms, seed)
    note(
        f"searched {specializer.spec.space.size:.2g} sub-networks in {found.seconds:.2f} s "
        f"({found.evaluations} evaluated)"
    )
    specialization = specializer.realize(found, budget_ms, seed, data)
    specialization.save(out)
    note(f"wrote {out} after {time.perf_counter() - started:.1f} s in all")
    choice = specialization.choice
    if as_json:
        from dataclasses import asdict

        print_json(asdict(choice))
    else:
        print_facts(f"Specialized for {choice.device}, {choice.condition}", _facts(choice))


def _facts(choice: Choice) -> dict[str, object]:
    measured = (
        f"{choice.top1:.1%} on {choice.top1_images} images" if choice.top1 is not None else
        "not measured; name labelled images with --data"
    )
    interval = f"{choice.low_ms:.2f}–{choice.high_ms:.2f}" if choice.calibrated else "unknown"
    return {
        "sub-network": choice.subnetwork,
        "budget": f"{choice.budget_ms:.2f} ms",
        "predicted latency": f"{choice.latency_ms:.2f} ms, interval {interval}",
        "largest, fastest": f"{choice.largest_ms:.2f} ms, {choice.fastest_ms:.2f} ms",
        "predicted accuracy": f"{choice.accuracy:.1%}",
        "measured accuracy": measured,
        "size": f"{choice.multiply_adds / 1e6:.0f} M multiply-adds, "
        f"{choice.parameters / 1e6:.1f} M parameters",
        "recalibrated with": choice.calibration_images,
    }
