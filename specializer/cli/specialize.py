"""``sartor specialize``: the most accurate sub-network within a latency budget."""

from __future__ import annotations

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
from .standing import standings_text

if TYPE_CHECKING:
    from ..choice import Choice

_RANDOM, _BEST = 100, 32
"""Sub-networks that a supernet without an accuracy predictor gets one from."""


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
    """Find the most accurate sub-network within a budget.

    Searches a supernet by a device's latency table, takes the network's weights out of it, and
    recalibrates BatchNorm.
    """
    from dataclasses import asdict

    from ...tables import Store
    from ..shipped import find_supernet
    from ..specialize import Specializer

    with Store.open(store) as opened:
        latency_table = opened.load(table)
    if data is not None and find_supernet(supernet).accuracy is None:
        _fit_predictor(supernet, data, seed)
    specializer = Specializer.open(supernet, latency_table)
    if specializer.left_out:
        sizes = ", ".join(map(str, specializer.left_out))
        note(f"{table}, which was published, lacks operators of {sizes} pixels: left out")
    budget_ms = specializer.usual_budget_ms if latency_ms is None else latency_ms
    found = specializer.search(budget_ms, seed)
    note(
        f"the search took {found.seconds:.2f} s of wall time: it compared {found.evaluations:,} "
        f"of {specializer.spec.space.size:.1e} sub-networks"
    )
    specialization = specializer.realize(found, budget_ms, seed, data)
    specialization.save(out)
    choice = specialization.choice
    if as_json:
        print_json(asdict(choice))
    else:
        target = choice.target
        print_facts(f"Specialized for {target.device}, {target.condition}", _facts(choice))
    note(f"wrote {out}; ship it with: sartor export {out}")


def _fit_predictor(supernet: str, data: Path, seed: int) -> None:
    """Evaluate sub-networks of a supernet that nobody has evaluated yet, such as a checkpoint."""
    from ..assignment import Assignment
    from ..evaluate import torch_device
    from ..predictor_report import make_predictor_report
    from ..shipped import ACCURACY, find_spec, find_supernet, lasting_name, part_of
    from .evaluate import run_evaluations

    note(
        f"{supernet} has no accuracy predictor: evaluating {_RANDOM + _BEST} sub-networks on your "
        "images first (sartor evaluate does more of it, on many processes)"
    )
    weights = find_supernet(supernet).weights
    table = part_of(weights, "evaluations.csv")
    assignment = Assignment(
        lasting_name(supernet), data.resolve(), seed=seed, device=torch_device("auto")
    )
    run_evaluations(assignment, _RANDOM, _BEST, table)
    fit = make_predictor_report(find_spec(supernet).space, table, seed).fit
    fit.predictor.save(part_of(weights, ACCURACY))


def _facts(choice: Choice) -> dict[str, object]:
    latency, accuracy, search = choice.latency, choice.accuracy, choice.search
    interval = f"{latency.low_ms:.2f}–{latency.high_ms:.2f}" if latency.calibrated else "unknown"
    measured = "not measured; name labelled images with --data"
    if accuracy.measured is not None:
        measured = f"{accuracy.measured:.1%} on {accuracy.images} images"
    return {
        "sub-network": choice.subnetwork,
        "budget": f"{choice.target.budget_ms:.2f} ms",
        "predicted latency": f"{latency.latency_ms:.2f} ms, interval {interval}",
        "predicted by": standings_text(choice.rows),
        "fastest, largest": f"{search.fastest_ms:.2f} ms, {search.largest_ms:.2f} ms",
        "predicted accuracy": f"{accuracy.predicted:.1%}",
        "measured accuracy": measured,
        "size": f"{choice.multiply_adds / 1e6:.0f} M multiply-adds, "
        f"{choice.parameters / 1e6:.1f} M parameters",
        "recalibrated with": choice.recalibrated_with,
    }
