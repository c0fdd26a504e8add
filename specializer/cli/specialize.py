"""``sartor specialize``: the most accurate sub-network within limits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .amounts import Target, count, target_of
from .asked import Asked, in_the_users_words
from .choice_facts import budget_facts, limit_facts, size_text
from .front import show_front
from .options import (
    DEFAULT_STORE,
    DEFAULT_SUPERNET,
    DataOption,
    JsonOption,
    SeedOption,
    StoreOption,
    SupernetOption,
)
from .output import note, print_facts, print_json, print_table

if TYPE_CHECKING:
    from ..choice import Choice
    from ..search.result import SearchResult
    from ..specialize import Demand, Specializer

_RANDOM, _BEST = 100, 32
"""Sub-networks that a supernet without an accuracy predictor gets one from."""


def specialize(
    context: typer.Context,
    *,
    table: Annotated[
        str | None,
        typer.Option("--table", help="Latency table of the device.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the network.", show_default=False)
    ] = None,
    latency_ms: Annotated[
        float | None,
        typer.Option(
            "--latency-ms",
            help="Budget in milliseconds.",
            show_default="half the latency of the largest sub-network",
        ),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target",
            help="A table and its budget, TABLE=20ms, in place of --table and --latency-ms; as "
            "often as you like: one network fits all of them.",
            show_default=False,
        ),
    ] = None,
    each: Annotated[
        bool,
        typer.Option(
            "--each", help="Make one network for each --target instead, in folders of --out."
        ),
    ] = False,
    max_multiply_adds: Annotated[
        str | None,
        typer.Option("--max-multiply-adds", help="Of one image, such as 200M.", show_default=False),
    ] = None,
    max_parameters: Annotated[
        str | None,
        typer.Option("--max-parameters", help="Number of weights, such as 5M.", show_default=False),
    ] = None,
    max_memory_mb: Annotated[
        float | None,
        typer.Option(
            "--max-memory-mb",
            help="Activations that are alive at once, in 10⁶ bytes.",
            show_default=False,
        ),
    ] = None,
    max_file_mb: Annotated[
        float | None,
        typer.Option(
            "--max-file-mb", help="Size of the model file, in 10⁶ bytes.", show_default=False
        ),
    ] = None,
    confidence: Annotated[
        float | None,
        typer.Option(
            "--confidence",
            help="Keep budgets with the upper end of intervals that hold so many per cent, 50 to "
            "99.",
            show_default="90",
        ),
    ] = None,
    front: Annotated[
        int | None,
        typer.Option(
            "--front",
            min=2,
            max=1000,
            help="Make no network, but tell the best ones for so many budgets; --out gets "
            "front.json and front.png.",
            show_default=False,
        ),
    ] = None,
    supernet: SupernetOption = DEFAULT_SUPERNET,
    data: DataOption = None,
    seed: SeedOption = 0,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Find the most accurate sub-network within limits.

    Searches a supernet by a device's latency table, takes the network's weights out of it, and
    recalibrates BatchNorm.
    """
    targets = [target_of(text) for text in target or []]
    if problem := _misuse(table, latency_ms, targets, front, each=each):
        raise typer.BadParameter(problem, context)
    whole_range = front is not None and latency_ms is None
    asked = Asked(
        supernet=supernet,
        store=store,
        budgets_ms={one.table: one.budget_ms for one in targets}
        if table is None
        else {table: float("inf") if whole_range else latency_ms},
        multiply_adds=None if max_multiply_adds is None else count(max_multiply_adds),
        parameters=None if max_parameters is None else count(max_parameters),
        memory_mb=max_memory_mb,
        file_mb=max_file_mb,
        confidence=confidence,
    )
    if front is not None:
        show_front(*_prepared(asked, data, seed), front, seed, out, as_json=as_json)
    elif out is None:
        raise typer.BadParameter("name a folder for the network with --out", context)
    elif each:
        _each(*_prepared(asked, data, seed), seed, data, out, as_json=as_json)
    else:
        _one(*_prepared(asked, data, seed), seed, data, out, as_json=as_json)


def _one(
    specializer: Specializer,
    demand: Demand,
    seed: int,
    data: Path | None,
    out: Path,
    *,
    as_json: bool,
) -> None:
    """Make one network that meets everything."""
    found = _search(specializer, demand, seed)
    specialization = specializer.realize(found, demand, seed, data)
    specialization.save(out)
    _print(specialization.choice, as_json=as_json)
    note(f"wrote {out}; ship it with: sartor export {out}")


def _each(
    specializer: Specializer,
    demand: Demand,
    seed: int,
    data: Path | None,
    out: Path,
    *,
    as_json: bool,
) -> None:
    """Make one network for each budget; one that cannot be met is told before any is made."""
    demands = [replace(demand, budgets=(budget,)) for budget in demand.budgets]
    found = [_search(specializer, each, seed) for each in demands]
    folders = [out / budget.aim.table.name for budget in demand.budgets]
    choices = []
    for result, each, folder in zip(found, demands, folders, strict=True):
        specialization = specializer.realize(result, each, seed, data)
        specialization.save(folder)
        choices.append(specialization.choice)
    _print_each(folders, choices, as_json=as_json)
    note(f"wrote {len(folders)} networks; ship each with: sartor export {out}/TABLE")


def _misuse(
    table: str | None,
    latency_ms: float | None,
    targets: list[Target],
    front: int | None,
    *,
    each: bool,
) -> str:
    """Say what is wrong with options that exclude or need each other; nothing where all is well."""
    names = [one.table for one in targets]
    if table is None and not targets:
        return "name the latency table of a device with --table, or several with --target"
    if targets and (table is not None or latency_ms is not None):
        return "--target names a table and its budget, so --table and --latency-ms have no meaning"
    if doubled := [name for name in names if names.count(name) > 1]:
        return f"--target names {doubled[0]} twice"
    if front is not None and (len(targets) > 1 or each):
        return "--front is of one device: name one table, and not --each"
    if each and not targets:
        return "--each makes a network for every --target, and there is none"
    if each and (odd := [name for name in names if Path(name).name != name]):
        return f"{odd[0]!r} can name no folder, which --each needs; specialize for it alone"
    return ""


def _prepared(asked: Asked, data: Path | None, seed: int) -> tuple[Specializer, Demand]:
    """Load everything, and make an accuracy predictor first where there is none."""
    from ..shipped import find_supernet

    tables = asked.tables()
    if data is not None and find_supernet(asked.supernet).accuracy is None:
        _fit_predictor(asked.supernet, data, seed)
    specializer, demand = asked.demand(tables)
    for aim in (budget.aim for budget in demand.budgets):
        if aim.left_out:
            sizes = ", ".join(map(str, aim.left_out))
            lacks = f"lacks operators of {sizes} pixels: left out"
            note(f"{aim.table.name}, which was published, {lacks}")
    return specializer, demand


def _search(specializer: Specializer, demand: Demand, seed: int) -> SearchResult:
    with in_the_users_words(specializer.problem(demand)):
        found = specializer.search(demand, seed)
    note(
        f"the search took {found.seconds:.2f} s of wall time: it compared {found.evaluations:,} "
        f"of {specializer.spec.space.size:.1e} sub-networks"
    )
    return found


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


def _print(choice: Choice, *, as_json: bool) -> None:
    from dataclasses import asdict

    if as_json:
        print_json(asdict(choice))
        return
    devices = dict.fromkeys(f"{one.target.device}, {one.target.condition}" for one in choice.fits)
    print_facts(f"Specialized for {' and '.join(devices)}", _facts(choice))


def _facts(choice: Choice) -> dict[str, object]:
    accuracy, search = choice.accuracy, choice.search
    measured = "not measured; name labelled images with --data"
    if accuracy.measured is not None:
        measured = f"{accuracy.measured:.1%} on {accuracy.images} images"
    return {
        "sub-network": choice.subnetwork,
        **budget_facts(choice),
        **limit_facts(choice),
        "fastest, largest": f"{search.fastest_ms:.2f} ms, {search.largest_ms:.2f} ms",
        "predicted accuracy": f"{accuracy.predicted:.1%}{_proof(choice)}",
        "measured accuracy": measured,
        "size": size_text(choice),
        "recalibrated with": choice.recalibrated_with,
    }


def _proof(choice: Choice) -> str:
    """Say how much better another network could be predicted to be, where that is known."""
    bound = choice.search.accuracy_bound
    if bound is None:
        return ""
    if bound <= choice.accuracy.predicted:
        return ", the highest of all within the limits"
    return f", and none within the limits has more than {bound:.1%}"


def _print_each(folders: list[Path], choices: list[Choice], *, as_json: bool) -> None:
    from dataclasses import asdict

    pairs = list(zip(folders, choices, strict=True))
    if as_json:
        print_json([{"folder": str(folder), "choice": asdict(choice)} for folder, choice in pairs])
        return
    print_table(
        "One network for each target",
        ("folder", "device", "budget ms", "predicted ms", "accuracy", "M mult-adds", "M params"),
        (
            (
                *(folder, choice.target.device, f"{choice.target.budget_ms:.2f}"),
                f"{choice.latency.latency_ms:.2f}, up to {choice.latency.high_ms:.2f}",
                *(f"{choice.accuracy.predicted:.1%}", f"{choice.multiply_adds / 1e6:.0f}"),
                f"{choice.parameters / 1e6:.1f}",
            )
            for folder, choice in pairs
        ),
    )
