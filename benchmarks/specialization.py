"""Specialised networks against random and uniformly scaled ones, at equal measured latency.

    python benchmarks/specialization.py --data ROOT     # ROOT/train/CLASS/IMAGE, ROOT/val/…
    python benchmarks/specialization.py --data ROOT --random 5 --budgets 2 --images 200    # a try

It profiles this host as ``sartor profile`` does, searches the supernet for each of some budgets,
and sets against the networks found, on this host:

- ``random``: sub-networks drawn from the whole space;
- ``random near the budget``: for each budget as many again, drawn among those whose predicted
  latency is 85 to 100 % of the budget, in the sense in which the search keeps to it (the upper end
  of the predicted interval);
- ``uniformly scaled``: all with one kernel, one expansion and one depth throughout, at each
  resolution: what one would set by hand.

All of them are timed in one interleaved run. At each budget the specialised network meets the most
accurate one of each kind whose measured latency is at most 1.02 times its own. Accuracy is that of
the whole validation split at the network's own resolution, after recalibration with 256 training
photos; both networks answer the same photos, so their difference is a paired one.

The specialised networks are chosen by the accuracy predictor, which knows training photos that
were held out, and never by the validation split. The others are chosen by the very accuracy that
is shown here, the best of many: that flatters them. The intervals are of each pair alone and do
not take that choice into account.

Interrupt it at any time: the same command goes on where it stopped. For figures worth quoting the
machine has to be quiet.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import io
import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np

from sartor.benchmarks.answers import Photos, answer
from sartor.benchmarks.arguments import documented_parser
from sartor.benchmarks.contest import KINDS, Contest, Latency, enter, spread_budgets
from sartor.benchmarks.outcome import CAVEAT, Duel, Entrant, Outcome, Round, judge
from sartor.benchmarks.paired import Z
from sartor.devices import find_device
from sartor.profiler import RUNTIMES, Plan, Progress, collect, find_runtime, make_plan
from sartor.specializer.allocator import keep_freed_memory
from sartor.specializer.checkpoint import load_supernet
from sartor.specializer.cli.options import (
    DEFAULT_MOST_PASSES,
    DEFAULT_NETWORKS,
    DEFAULT_PASSES,
    DEFAULT_SUPERNET,
)
from sartor.specializer.cli.output import note, print_facts, print_table, progress_bar
from sartor.specializer.cost import calibration_networks, reachable_operators
from sartor.specializer.shipped import find_spec, find_supernet
from sartor.specializer.space import SubNetwork
from sartor.specializer.specialize import Specializer
from sartor.specializer.supernets.supernet import Supernet
from sartor.tables import Condition, LatencyTable, SartorError, Store
from sartor.tables.atomic import write_atomically
from sartor.tables.errors import MeasurementError

STORE = Path(__file__).resolve().parent.parent / "build" / "specialization.sqlite"


def fill_table(arguments: argparse.Namespace, name: str, plan: Plan) -> LatencyTable:
    """Measure on this host whatever of a plan the store does not hold yet."""
    device, rng = find_device("local"), np.random.default_rng(arguments.seed)
    for warning in device.health().warnings:
        note(f"this host is not quiet, timings may be off: {warning}")
    with Store.open(arguments.store) as store, progress_bar() as bar:
        task = bar.add_task(name, total=plan.windows)

        def show(done: Progress) -> None:
            bar.update(task, completed=done.windows + done.failures, total=done.of_windows)

        collect(device, store, name, plan, Condition(arguments.runtime), rng, show)
        return store.load(name)


def time_contest(
    arguments: argparse.Namespace, supernet: Supernet, contest: Contest
) -> dict[SubNetwork, Latency]:
    """Time all networks in one interleaved run, in a table that belongs to these networks alone.

    Raises:
        MeasurementError: a specialised network could not be measured.
    """
    subnetworks = {supernet.space.text(one): one for one in contest.subnetworks}
    graphs = tuple(supernet.graph(one) for _, one in sorted(subnetworks.items()))
    digest = hashlib.sha256("\n".join(sorted(subnetworks)).encode()).hexdigest()
    # A plan without an operator measures nothing, so one of them comes along.
    plan = Plan(reachable_operators(supernet)[:1], graphs, arguments.passes)
    table = fill_table(arguments, f"{arguments.table}-contest-{digest[:8]}", plan)
    latencies = {}
    for whole in table.networks:
        median_ms = whole.measurement.median_ms
        ends_ms = whole.measurement.interval_ms() or (median_ms, median_ms)
        latencies[subnetworks[whole.network.name]] = (median_ms, *ends_ms)
    for case in contest.cases:
        if case.specialised not in latencies:
            text = supernet.space.text(case.specialised)
            raise MeasurementError(f"{text} could not be measured; run the benchmark again")
    return latencies


def run(arguments: argparse.Namespace) -> Outcome:
    """Measure whatever the store and the journal do not hold yet, and compare."""
    # Folders of the wrong names are found before minutes are spent.
    labels = load_supernet(find_supernet(arguments.supernet).weights).labels
    photos = Photos.find(arguments.data, labels, arguments.images, arguments.seed)
    spec = find_spec(arguments.supernet)
    plan = make_plan(
        reachable_operators(spec),
        calibration_networks(spec, DEFAULT_NETWORKS),
        DEFAULT_PASSES,
        framed=find_runtime(arguments.runtime).frames(""),
        most_passes=DEFAULT_MOST_PASSES,
    )
    table = fill_table(arguments, arguments.table, plan)
    specializer = Specializer.open(arguments.supernet)
    aim = specializer.aim(table)
    budgets_ms = arguments.budgets_ms or spread_budgets(
        specializer, aim, arguments.budgets, arguments.seed
    )
    contest = enter(specializer, aim, budgets_ms, arguments.random, arguments.seed)
    note(f"{len(contest.subnetworks)} networks to be timed")
    latencies = time_contest(arguments, spec, contest)
    comparable = contest.comparable(latencies)
    note(f"{len(comparable)} of them to be evaluated, on {len(photos.judged)} photos each")
    answers = answer(specializer, photos, comparable, Path(arguments.store).with_suffix(""))
    return judge(specializer, aim, contest, latencies, answers)


def show(outcome: Outcome) -> None:
    """Print an outcome for people."""
    facts: dict[str, object] = {
        "accuracy": f"top-1 on {outcome.images} validation photos",
        "networks": f"{len(outcome.entrants)} timed, "
        f"{sum(one.accuracy is not None for one in outcome.entrants)} evaluated",
        "budgets": f"hold for the upper end of the interval, + {outcome.margin:.1%} as a rule",
        "accuracy predictor": _predictor(outcome),
        **{f"against {kind}": _score(outcome, kind) for kind in KINDS},
    }
    print_facts(f"{outcome.supernet}, {outcome.runtime_version}, {outcome.condition}", facts)
    print_table(
        "Specialised",
        ("budget ms", "predicted ms", "measured ms", "predicted top-1", "top-1"),
        (
            (
                f"{one.budget_ms:.2f}",
                f"{one.specialised.predicted_ms:.2f}",
                _latency(one.specialised),
                f"{one.specialised.predicted_accuracy:.1%}",
                _accuracy(one.specialised),
            )
            for one in outcome.rounds
        ),
    )
    print_table(
        "The most accurate others that are as fast, and by how much the specialised one is better",
        ("budget ms", "best of", "measured ms", "top-1", "points", "p"),
        (_duel_row(one, duel) for one in outcome.rounds for duel in one.duels),
    )
    for one in outcome.rounds:
        best = [duel.best for duel in one.duels if duel.best is not None]
        networks = {entrant.kind: entrant.network for entrant in (one.specialised, *best)}
        print_facts(f"Networks at {one.budget_ms:.2f} ms", networks)
    print(CAVEAT)


def _predictor(outcome: Outcome) -> str:
    if (found := outcome.predictor) is None:
        return "no random network was evaluated"
    return (
        f"Kendall's τ {found.kendall_tau:.3f}, error {100 * found.mean_absolute_error:.2f} points, "
        f"on {found.networks} random networks"
    )


def _score(outcome: Outcome, kind: str) -> str:
    duels = [duel for one in outcome.rounds for duel in one.duels if duel.kind == kind]
    differences = [duel.difference for duel in duels if duel.difference is not None]
    better = sum(difference.points > 0 for difference in differences)
    surely, worse = (
        sum(side > 0 for side in sides)
        for sides in (
            [difference.low for difference in differences],
            [-difference.high for difference in differences],
        )
    )
    return (
        f"better at {better} of {len(duels)} budgets; the interval is above 0 at {surely}, "
        f"below at {worse}"
    )


def _duel_row(one: Round, duel: Duel) -> tuple[str, ...]:
    kind = f"{duel.as_fast} of {duel.drawn} {duel.kind}"
    if duel.best is None or duel.difference is None:
        return f"{one.budget_ms:.2f}", kind, "none", "", "", ""
    points = duel.difference
    return (
        f"{one.budget_ms:.2f}",
        kind,
        _latency(duel.best),
        _accuracy(duel.best),
        f"{points.points:+.2f} ({points.low:+.2f} to {points.high:+.2f})",
        f"{points.p_value:.2g}",
    )


def _latency(one: Entrant) -> str:
    return f"{one.measured_ms:.2f} ± {one.high_ms - one.measured_ms:.2f}"


def _accuracy(one: Entrant) -> str:
    if one.accuracy is None or one.standard_error is None:
        return "too slow"
    return f"{one.accuracy:.2%} ± {Z * one.standard_error:.2%}"


def draw(outcome: Outcome) -> bytes:
    """Draw accuracy against measured latency as a PNG file."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    figure = Figure(figsize=(7, 4.6), layout="constrained")
    axes = figure.subplots()
    evaluated = [one for one in outcome.entrants if one.accuracy is not None]
    for kind, marker, colour in zip(KINDS, "..^", ("0.45", "0.75", "C1"), strict=True):
        points = [(one.measured_ms, one.accuracy or 0) for one in evaluated if one.kind == kind]
        if points:
            latencies_ms, accuracies = np.array(points).T
            axes.plot(latencies_ms, 100 * accuracies, marker, color=colour, label=kind)
    front = sorted((one.specialised for one in outcome.rounds), key=lambda one: one.measured_ms)
    axes.errorbar(
        [one.measured_ms for one in front],
        [100 * (one.accuracy or 0) for one in front],
        [100 * Z * (one.standard_error or 0) for one in front],
        fmt="*-",
        color="C0",
        markersize=11,
        capsize=3,
        label="specialised",
    )
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set(
        xlabel=f"measured latency, ms ({outcome.runtime_version})",
        ylabel=f"top-1 on {outcome.images} validation photos, %",
    )
    axes.legend(loc="lower right", fontsize=8)
    axes.grid(visible=True, alpha=0.3)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=150)
    return content.getvalue()


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = documented_parser(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with train/ and val/")
    parser.add_argument("--supernet", default=DEFAULT_SUPERNET, help="name, or file of weights")
    parser.add_argument("--runtime", default="litert", choices=sorted(RUNTIMES), help="(litert)")
    parser.add_argument("--store", type=Path, default=STORE, help="file for measurements")
    parser.add_argument("--table", help="of this host's latencies in it (local-RUNTIME)")
    parser.add_argument("--random", type=int, default=50, help="random networks of a kind (50)")
    parser.add_argument("--budgets", type=int, default=5, help="how many (5)")
    parser.add_argument(
        "--budgets-ms", type=float, nargs="+", help="these, as in another run, in place of some"
    )
    parser.add_argument("--passes", type=int, default=5, help="processes that time each (5)")
    parser.add_argument("--images", type=int, help="of the validation split; all if left out")
    parser.add_argument("--seed", type=int, default=0, help="of all that is random (0)")
    parser.add_argument("--json", type=Path, help="file for the result as JSON")
    parser.add_argument("--plot", type=Path, help="file for the picture, PNG")
    arguments = parser.parse_args()
    arguments.table = arguments.table or f"local-{arguments.runtime}"
    for option in ("random", "budgets", "passes", "images"):
        if (value := getattr(arguments, option)) is not None and value < 1:
            parser.error(f"--{option}: want 1 or more, not {value}")
    if arguments.plot and importlib.util.find_spec("matplotlib") is None:
        parser.error("--plot: needs matplotlib; install it with: pip install 'sartor[plot]'")
    return arguments


def main() -> None:
    """Measure, print, and write what was asked for."""
    arguments = parse()
    keep_freed_memory()  # in its worker threads, too: they are of this process
    try:
        outcome = run(arguments)
        show(outcome)
        if arguments.json:
            document = json.dumps(asdict(outcome), indent=2, allow_nan=False)
            write_atomically(arguments.json, document.encode())
        if arguments.plot:
            write_atomically(arguments.plot, draw(outcome))
    except SartorError as error:
        sys.exit(f"specialization: {error}")


if __name__ == "__main__":
    main()
