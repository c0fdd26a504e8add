"""How long a whole latency table takes, and whether a second one says the same.

    python benchmarks/collecting.py                  # twice, one after the other
    python benchmarks/collecting.py --pause-s 3600   # an hour apart
    python benchmarks/collecting.py --load           # the second beside a program on another core

It measures every operator of the Once-for-All MobileNetV3 space (width 1.0, 1000 classes) at
resolutions from 128 to 224 in steps of 16, with the settings of ``sartor profile``, twice into two
tables. Both predict the same random networks; it prints how far apart the predictions are, what
``sartor tables diff`` finds, and what each table says of itself.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from sartor.benchmarks.arguments import documented_parser
from sartor.devices import find_device
from sartor.profiler import RUNTIMES, CollectionReport, Progress, collect, make_plan
from sartor.specializer.cli.options import (
    DEFAULT_MOST_PASSES,
    DEFAULT_NETWORKS,
    DEFAULT_PASSES,
)
from sartor.specializer.cli.output import note, print_facts, print_json, progress_bar
from sartor.specializer.cost import calibration_networks, reachable_operators
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.tables import Condition, LatencyTable, SartorError, Store
from sartor.tables.comparison import compare_tables
from sartor.tables.verdict import judge

STORE = Path(__file__).resolve().parent.parent / "build" / "collecting.sqlite"
RESOLUTIONS = tuple(range(128, 225, 16))

_SPIN = "print(flush=True)\nwhile True: pass"


@dataclass(frozen=True, slots=True)
class Collected:
    """How one collection went.

    Attributes:
        operators: rows of the table.
        windows: measured.
        seconds: from the first question to the device to the last window.
        busy_share: share of that time in which the device was at work on models.
        leave_one_out_error: of the calibration.
        margin: half-width of the intervals, relative to the prediction.
        verdict: what the table says of itself.
    """

    operators: int
    windows: int
    seconds: float
    busy_share: float
    leave_one_out_error: float
    margin: float
    verdict: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """Two collections and how they agree.

    Attributes:
        condition: that both were measured under.
        first: the first.
        second: the second.
        networks: how many both predicted.
        median_apart: median over networks of how far the predictions are apart.
        most_apart: the largest.
        moved: operators that moved beyond noise.
    """

    condition: str
    first: Collected
    second: Collected
    networks: int
    median_apart: float
    most_apart: float
    moved: int


def gather(arguments: argparse.Namespace, spec: MobileNetV3, name: str) -> Collected:
    """Collect one table from scratch."""
    condition = Condition(arguments.runtime)
    plan = make_plan(
        reachable_operators(spec),
        calibration_networks(spec, DEFAULT_NETWORKS),
        DEFAULT_PASSES,
        framed=RUNTIMES[arguments.runtime].frames(""),
        most_passes=DEFAULT_MOST_PASSES,
    )
    rng = np.random.default_rng(arguments.seed)
    with Store.open(arguments.store) as store, progress_bar() as bar:
        if name in {table.name for table in store.tables()}:
            store.remove(name)
        task = bar.add_task(name, total=plan.windows)

        def show(done: Progress) -> None:
            bar.update(task, completed=done.windows + done.failures, total=done.of_windows)

        report = collect(find_device("local"), store, name, plan, condition, rng, show)
        return summarise(report, store.load(name))


def summarise(report: CollectionReport, table: LatencyTable) -> Collected:
    """Put what a collection did beside what its table says of itself."""
    return Collected(
        operators=len(table.rows),
        windows=report.measured,
        seconds=report.seconds,
        busy_share=report.busy_share,
        leave_one_out_error=table.calibration.leave_one_out_error,
        margin=table.calibration.margin,
        verdict=judge(table).trust.value,
    )


@contextmanager
def competing_load() -> Iterator[None]:
    """Keep one core busy."""
    with subprocess.Popen([sys.executable, "-c", _SPIN], stdout=subprocess.PIPE) as process:
        try:
            yield
        finally:
            process.kill()


def run(arguments: argparse.Namespace) -> Outcome:
    """Collect two tables and compare them."""
    spec = MobileNetV3(classes=1000, resolutions=RESOLUTIONS)
    first = gather(arguments, spec, "first")
    if arguments.pause_s:
        note(f"waiting for {arguments.pause_s} s")
        time.sleep(arguments.pause_s)
    with competing_load() if arguments.load else nullcontext():
        second = gather(arguments, spec, "second")
    with Store.open(arguments.store) as store:
        before, after = store.load("first"), store.load("second")
    drawn = spec.space.random(arguments.count, np.random.default_rng(arguments.seed))
    networks = [spec.graph(tuple(row)).operators for row in drawn.tolist()]
    apart = [
        abs(after.predict(one).latency_ms / before.predict(one).latency_ms - 1) for one in networks
    ]
    return Outcome(
        condition=str(before.provenance.condition),
        first=first,
        second=second,
        networks=len(networks),
        median_apart=float(np.median(apart)),
        most_apart=max(apart),
        moved=len(compare_tables(before, after).moved),
    )


def show(outcome: Outcome) -> None:
    """Print an outcome for people."""
    for name, found in (("first", outcome.first), ("second", outcome.second)):
        print_facts(
            f"{name} collection, {outcome.condition}",
            {
                "operators": f"{found.operators}, {found.windows} windows",
                "time": f"{found.seconds:.0f} s, the device at work {found.busy_share:.0%} of it",
                "calibration": f"leave-one-out error {found.leave_one_out_error:.1%}, intervals "
                f"± {found.margin:.1%}",
                "says of itself": found.verdict,
            },
        )
    print_facts(
        "the two",
        {
            "predictions": f"of {outcome.networks} networks are {outcome.median_apart:.1%} apart "
            f"(median), {outcome.most_apart:.1%} at most",
            "operators": f"{outcome.moved} moved beyond noise",
        },
    )


def main() -> None:
    """Read the command line, collect, and print."""
    parser = documented_parser(__doc__)
    parser.add_argument("--runtime", default="litert", choices=sorted(RUNTIMES), help="(litert)")
    parser.add_argument("--pause-s", type=float, default=0, help="between the two, in seconds (0)")
    parser.add_argument("--load", action="store_true", help="a busy core beside the second")
    parser.add_argument("--count", type=int, default=50, help="random networks (50)")
    parser.add_argument("--seed", type=int, default=1, help="of networks and order (1)")
    parser.add_argument("--store", default=str(STORE), help="where measurements are kept")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    arguments = parser.parse_args()
    if arguments.count < 1:
        parser.error("--count: want at least 1 network")
    try:
        outcome = run(arguments)
    except SartorError as error:
        sys.exit(f"collecting: {error}")
    if arguments.json:
        print_json(asdict(outcome))
    else:
        show(outcome)


if __name__ == "__main__":
    main()
