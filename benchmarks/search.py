"""Sartor's search beside the one of the package ``ofa``, on the published Note10 tables.

    SARTOR_DATA=DIR python benchmarks/search.py
    SARTOR_DATA=DIR python benchmarks/search.py --without-ofa      # Sartor's alone, in seconds

Both search the 10¹⁹ sub-networks of the official supernet of width 1.2 at 160, 192 and 224 pixels
for the highest top-1 that the official predictor tells, within each of five budgets, three times
with different seeds, taking turns. Then Sartor's front: twenty budgets in one run. It needs the
extras torch and exchange, and the packages ofa and tqdm.

Everything runs on one thread, by setting OMP_NUM_THREADS to 1 before NumPy is loaded. For times
worth quoting the machine has to be quiet.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy and torch start their threads

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from sartor.benchmarks.note10 import Note10
from sartor.benchmarks.ofa_search import OfaSearch
from sartor.specializer.cli.output import note, print_facts, print_json, print_table
from sartor.specializer.search.evolution import search
from sartor.specializer.search.front import pareto_front
from sartor.specializer.space import SubNetwork
from sartor.tables import SartorError

BUDGETS_MS = (16.0, 20.0, 25.0, 30.0, 40.0)
FRONT_BUDGETS = 20


@dataclass(frozen=True, slots=True)
class Cell:
    """What came out at one budget, by one program.

    Attributes:
        program: ``ofa`` or ``sartor``.
        budget_ms: of the latency.
        networks: found with each seed, as Sartor writes them.
        accuracies: predicted of each, by Sartor's reading of the official predictor.
        latencies_ms: of each, by Sartor's reading of the tables.
        seconds: that each search took, of wall time.
    """

    program: str
    budget_ms: float
    networks: tuple[str, ...]
    accuracies: tuple[float, ...]
    latencies_ms: tuple[float, ...]
    seconds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out.

    Attributes:
        cells: of each budget and program.
        front_budgets: how many one front has.
        front: latency and accuracy of each of its networks.
        front_seconds: that it took, of wall time.
    """

    cells: tuple[Cell, ...]
    front_budgets: int
    front: tuple[tuple[float, float], ...]
    front_seconds: float

    def of(self, program: str) -> list[Cell]:
        """Return the cells of one program, by budget."""
        return [cell for cell in self.cells if cell.program == program]

    def seconds(self, program: str) -> float:
        """Return the median time of a program's searches; NaN where it did not run."""
        taken = [seconds for cell in self.of(program) for seconds in cell.seconds]
        return float(np.median(taken)) if taken else math.nan


def measure(
    folder: Path, budgets_ms: Sequence[float], seeds: int, theirs: OfaSearch | None
) -> Outcome:
    """Run both searches in turns, then the front."""
    note10 = Note10.load(folder)
    found: dict[tuple[str, float], list[tuple[SubNetwork, float]]] = {}
    if theirs is not None:
        theirs.warm_up()
    for seed in range(seeds):
        for budget_ms in budgets_ms:
            result = search(note10.problem(budget_ms), np.random.default_rng(seed))
            ours = result.subnetwork, result.seconds
            found.setdefault(("sartor", budget_ms), []).append(ours)
            if theirs is not None:
                note(f"ofa searches at {budget_ms:g} ms with seed {seed}")
                found.setdefault(("ofa", budget_ms), []).append(theirs.run(budget_ms, seed))
    front = pareto_front(note10.problem(math.inf), np.random.default_rng(0), FRONT_BUDGETS)
    return Outcome(
        tuple(_cell(note10, *where, results) for where, results in sorted(found.items())),
        FRONT_BUDGETS,
        tuple((result.costs[0], result.accuracy) for result in front),
        front[0].seconds,
    )


def _cell(
    note10: Note10, program: str, budget_ms: float, results: Sequence[tuple[SubNetwork, float]]
) -> Cell:
    problem = note10.problem(budget_ms)
    population = np.array([network for network, _ in results], np.int16)
    if not problem.meets(population).all():
        sys.exit(f"search: {program} exceeds {budget_ms:g} ms, so the two read the tables apart")
    return Cell(
        program,
        budget_ms,
        tuple(problem.space.text(network) for network, _ in results),
        tuple(note10.predictor.predict(population).tolist()),
        tuple(note10.cost.evaluate(population).tolist()),
        tuple(seconds for _, seconds in results),
    )


def show(outcome: Outcome) -> None:
    """Print an outcome for people."""
    print_table(
        "Predicted top-1 of what was found",
        ("budget", "by", "lowest", "median", "highest", "seconds (median)"),
        (
            (
                f"{cell.budget_ms:g} ms",
                cell.program,
                *(f"{of(cell.accuracies):.5f}" for of in (min, np.median, max)),
                f"{np.median(cell.seconds):.2f}",
            )
            for cell in sorted(outcome.cells, key=lambda cell: cell.budget_ms)
        ),
    )
    facts: dict[str, object] = {
        "one search": f"{outcome.seconds('sartor'):.2f} s (median)",
        "a front": f"{outcome.front_budgets} budgets, {len(outcome.front)} different networks, "
        f"in {outcome.front_seconds:.2f} s",
    }
    if outcome.of("ofa"):
        pairs = list(zip(outcome.of("sartor"), outcome.of("ofa"), strict=True))
        ahead = sum(min(ours.accuracies) >= max(theirs.accuracies) for ours, theirs in pairs)
        facts["ofa's search"] = f"{outcome.seconds('ofa'):.2f} s (median)"
        facts["ratio"] = f"{outcome.seconds('ofa') / outcome.seconds('sartor'):.1f} times faster"
        facts["better"] = (
            f"at {ahead} of {len(pairs)} budgets every seed is at or above ofa's best seed"
        )
    spreads = [max(cell.accuracies) - min(cell.accuracies) for cell in outcome.of("sartor")]
    facts["spread"] = f"at most {max(spreads):.5f} between Sartor's seeds at one budget"
    print_facts("Sartor's search", facts)


def main() -> None:
    """Read the command line, search, and print."""
    summary, _, details = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=details, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--budget-ms", type=float, action="append", help="(16, 20, 25, 30, 40)")
    parser.add_argument("--seeds", type=int, default=3, help="searches at each budget (3)")
    parser.add_argument("--without-ofa", action="store_true", help="run Sartor's search alone")
    parser.add_argument(
        "--summed", action="store_true", help="spare ofa its lookups of blocks during the search"
    )
    parser.add_argument("--data", default=os.environ.get("SARTOR_DATA"), help="(SARTOR_DATA)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    arguments = parser.parse_args()
    if not arguments.data:
        parser.error("--data: say where the data sets are, or set SARTOR_DATA")
    if arguments.seeds < 1:
        parser.error("--seeds: at least 1")
    budgets_ms = arguments.budget_ms or BUDGETS_MS
    try:
        folder = Path(arguments.data)
        theirs = None if arguments.without_ofa else OfaSearch(folder, arguments.summed)
        outcome = measure(folder, budgets_ms, arguments.seeds, theirs)
    except SartorError as error:
        sys.exit(f"search: {error}")
    if arguments.json:
        print_json(asdict(outcome))
    else:
        show(outcome)


if __name__ == "__main__":
    main()
