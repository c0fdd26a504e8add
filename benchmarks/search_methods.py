"""Search methods from the literature, and Sartor's own, with equally many evaluations.

    SARTOR_DATA=DIR python benchmarks/search_methods.py
    SARTOR_DATA=DIR python benchmarks/search_methods.py --evaluations 3000 --images 2000
    SARTOR_DATA=DIR python benchmarks/search_methods.py --plot methods.png

All search the same space (the official supernet of width 1.2 on the published Note10 tables, see
search.py) for the highest top-1, within the same budgets, from the same seeds. What is shown is the
median over budgets and seeds of how far the best network of each number of evaluations stays behind
the best one that any method found at that budget. Without --images the official predictor answers;
with it, every evaluation counts the right answers to that many images, drawn by chance with the
predicted accuracy, and what counts is the predicted accuracy of the network that looked best.

Then NSGA-II beside Sartor's front, which is one run over many budgets: by the hypervolume of
latency and accuracy, and of latency, multiply-adds and accuracy.

It needs the extras torch and exchange, and plot for the picture.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy and torch start their threads

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sartor.benchmarks.note10 import SUPERNET, Note10
from sartor.specializer.cli.output import note, print_json, print_table
from sartor.specializer.cost import compile_cost
from sartor.specializer.search.archive import Archive
from sartor.specializer.search.evolution import SearchSettings, search_with
from sartor.specializer.search.front import pareto_front
from sartor.specializer.search.methods.method import Counted, Predicted, Trace, run
from sartor.specializer.search.methods.named import METHODS
from sartor.specializer.search.nsga2 import NsgaSettings, hypervolume, trade_offs
from sartor.specializer.search.problem import Limit, Problem
from sartor.specializer.search.result import SearchResult
from sartor.specializer.space import SubNetwork
from sartor.tables import SartorError
from sartor.tables.kinds import multiply_adds

SARTOR = "sartor"
BUDGETS_MS = (16.0, 20.0, 25.0, 30.0, 40.0)
_SHARES = (0.05, 0.1, 0.25, 0.5, 1.0)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Front:
    """How much a set of networks covers.

    Attributes:
        method: ``nsga2``, Sartor's ``front``, or NSGA-II that begins with that front.
        networks: that none of the others dominates.
        evaluations: that it took.
        seconds: of wall time.
        two: hypervolume of latency and error, relative to the largest.
        three: hypervolume of latency, multiply-adds and error, relative to the largest.
    """

    method: str
    networks: int
    evaluations: int
    seconds: float
    two: float
    three: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out.

    Attributes:
        images: of each evaluation; 0 where the predictor answered.
        evaluations: after which the methods are compared.
        best: predicted accuracy of the best network that any method found, by budget.
        behind: of each method, how far its best network stayed behind, as a fraction: the median
            over budgets and seeds, for each number of evaluations.
        fronts: of several objectives.
    """

    images: int
    evaluations: tuple[int, ...]
    best: Mapping[float, float]
    behind: Mapping[str, tuple[float, ...]]
    fronts: tuple[Front, ...]


def own_trace(problem: Problem, evaluations: int, rng: np.random.Generator) -> Trace:
    """Run Sartor's own search until its evaluations are spent, or it ends."""
    archive = Archive(problem.predictor)
    settings = SearchSettings(drawn=min(400, max(1, evaluations // 10)))
    search_with(problem, archive, settings, rng)
    population, scores = archive.networks(problem.space)
    population, scores = population[:evaluations], scores[:evaluations]
    within = np.where(problem.meets(population), scores, -np.inf)
    highest = np.maximum.accumulate(within)
    (better,) = np.nonzero(np.diff(highest, prepend=-np.inf) > 0)
    return Trace(population[better], scores[better], (better + 1).astype(np.float64))


def compare(
    note10: Note10, budgets_ms: Sequence[float], seeds: int, evaluations: int, images: int
) -> Outcome:
    """Run every method at every budget with every seed."""
    counts = tuple(round(share * evaluations) for share in _SHARES)
    found: dict[tuple[str, float], list[list[SubNetwork | None]]] = {}
    evaluator = Counted(note10.predictor, images) if images else Predicted(note10.predictor)
    for name in (*METHODS, *(() if images else (SARTOR,))):
        note(f"{name} searches")
        for budget_ms in budgets_ms:
            problem = note10.problem(budget_ms)
            for seed in range(seeds):
                rng = np.random.default_rng(seed)
                if name == SARTOR:
                    trace = own_trace(problem, evaluations, rng)
                else:
                    trace = run(METHODS[name](problem), problem, evaluations, rng, evaluator)
                row = [trace.at(count) for count in counts]
                found.setdefault((name, budget_ms), []).append(row)
    accuracies = {
        where: np.array([[_accuracy(note10, network) for network in row] for row in rows])
        for where, rows in found.items()
    }
    best = {
        budget_ms: max(float(rows.max()) for (_, at), rows in accuracies.items() if at == budget_ms)
        for budget_ms in budgets_ms
    }
    names = dict.fromkeys(name for name, _ in accuracies)
    behind = {
        name: np.concatenate([best[at] - accuracies[name, at] for at in budgets_ms])
        for name in names
    }
    medians = {name: tuple(np.median(rows, axis=0).tolist()) for name, rows in behind.items()}
    return Outcome(images, counts, best, medians, ())


def _accuracy(note10: Note10, network: SubNetwork | None) -> float:
    """Predict; a method that has found nothing within the budget has nothing to show."""
    if network is None:
        return 0.0
    return float(note10.predictor.predict(np.array([network], np.int16))[0])


def compare_fronts(note10: Note10, budgets: int, seed: int) -> tuple[Front, ...]:
    """Cover the same range of latencies by one front, by NSGA-II, and by both."""
    latency = Limit("latency", "ms", note10.cost, math.inf)
    size = Limit("multiply-adds", "", compile_cost(SUPERNET, multiply_adds), math.inf)
    two = Problem(SUPERNET.space, note10.predictor, (latency,))
    three = replace(two, limits=(latency, size))
    note("fronts")
    front = pareto_front(two, np.random.default_rng(seed), budgets)
    known = np.array([result.subnetwork for result in front], np.int16)
    generations = NsgaSettings(generations=max(2, front[0].evaluations // 200))
    runs = {
        "front": (front, front),
        "nsga2": tuple(
            trade_offs(problem, np.random.default_rng(seed), generations)
            for problem in (two, three)
        ),
        "front, then nsga2": tuple(
            trade_offs(problem, np.random.default_rng(seed), generations, known)
            for problem in (two, three)
        ),
    }
    points = {
        name: (_points(two, of_two), _points(three, of_three))
        for name, (of_two, of_three) in runs.items()
    }
    corners = [
        np.concatenate([pair[which] for pair in points.values()]).max(axis=0) * 1.01
        for which in (0, 1)
    ]
    volumes = {
        name: tuple(hypervolume(pair[which], corners[which]) for which in (0, 1))
        for name, pair in points.items()
    }
    largest = np.array(list(volumes.values())).max(axis=0)
    return tuple(
        Front(
            name,
            len(pair[1]),
            pair[1][0].evaluations,
            pair[1][0].seconds,
            *(np.array(volumes[name]) / largest).tolist(),
        )
        for name, pair in runs.items()
    )


def _points(problem: Problem, results: Sequence[SearchResult]) -> Floats:
    population = np.array([result.subnetwork for result in results], np.int16)
    errors = 1 - problem.predictor.predict(population).astype(np.float64)
    return np.column_stack([*problem.costs(population).T, errors])


def show(outcome: Outcome) -> None:
    """Print an outcome for people."""
    asked = f"{outcome.images} images each" if outcome.images else "predicted"
    print_table(
        f"Percentage points of top-1 behind the best network known, median ({asked})",
        ("method", *(f"{count:,} evaluations" for count in outcome.evaluations)),
        (
            (name, *(f"{100 * gap:.3f}" if gap < 0.5 else "nothing" for gap in row))
            for name, row in sorted(outcome.behind.items(), key=lambda item: item[1][-1])
        ),
    )
    if outcome.fronts:
        print_table(
            "Fronts: hypervolume, relative to the largest",
            ("by", "networks", "evaluations", "seconds", "2 objectives", "3 objectives"),
            (
                (
                    front.method,
                    front.networks,
                    f"{front.evaluations:,}",
                    f"{front.seconds:.1f}",
                    f"{front.two:.4f}",
                    f"{front.three:.4f}",
                )
                for front in outcome.fronts
            ),
        )


def plot(outcome: Outcome, path: Path) -> None:
    """Draw how far each method stays behind, by evaluations."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, row in outcome.behind.items():
        axes.plot(outcome.evaluations, [max(100 * gap, 1e-3) for gap in row], "o-", label=name)
    axes.set(
        xscale="log",
        yscale="log",
        ylim=(1e-3, None),
        xlabel="evaluations",
        ylabel="percentage points of top-1 behind the best",
    )
    axes.legend()
    figure.savefig(path)


def main() -> None:
    """Read the command line, compare, and print."""
    summary, _, details = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=details, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--budget-ms", type=float, action="append", help="(16, 20, 25, 30, 40)")
    parser.add_argument("--seeds", type=int, default=5, help="searches at each budget (5)")
    parser.add_argument("--evaluations", type=int, default=20_000, help="of each search (20000)")
    parser.add_argument("--images", type=int, default=0, help="counted in an evaluation (none)")
    parser.add_argument("--front-budgets", type=int, default=20, help="of fronts; 0: none (20)")
    parser.add_argument("--plot", type=Path, help="a picture to write")
    parser.add_argument("--data", default=os.environ.get("SARTOR_DATA"), help="(SARTOR_DATA)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    arguments = parser.parse_args()
    if not arguments.data:
        parser.error("--data: say where the data sets are, or set SARTOR_DATA")
    if min(arguments.seeds, arguments.evaluations) < 1 or arguments.images < 0:
        parser.error("--seeds and --evaluations: at least 1; --images: at least 0")
    budgets_ms = arguments.budget_ms or BUDGETS_MS
    try:
        note10 = Note10.load(Path(arguments.data))
        outcome = compare(
            note10, budgets_ms, arguments.seeds, arguments.evaluations, arguments.images
        )
        if arguments.front_budgets:
            outcome = replace(outcome, fronts=compare_fronts(note10, arguments.front_budgets, 0))
    except SartorError as error:
        sys.exit(f"search_methods: {error}")
    if arguments.plot:
        plot(outcome, arguments.plot)
    if arguments.json:
        print_json(asdict(outcome))
    else:
        show(outcome)


if __name__ == "__main__":
    main()
