"""How good calibrations are, and how often their intervals hold, over many choices of networks.

    python benchmarks/prediction.py            # measures; its store is used here
    python benchmarks/coverage.py
    python benchmarks/coverage.py --networks 5 8 12 --draws 200 --json
    python benchmarks/coverage.py --coverage 0.99

One run of benchmarks/prediction.py calibrates with one set of networks, and 50 others tell the
coverage of its intervals to within eight points or so: too little to say whether 90 % are 90 %.
Here the same measurements are used many times over. In each draw, the smallest and the largest
network and one random network from each of equal shares of the 50 (sorted by their sums)
calibrate, and the rest are predicted. Nothing is measured.

Compared are a factor, a line (a factor and an offset), as Sartor had it before, and the curve that
Sartor uses: benchmarks/calibrations.py has all three.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from sartor.benchmarks.arguments import documented_parser
from sartor.benchmarks.calibrations import METHODS, Networks, Resampled, resample
from sartor.benchmarks.prediction import STORE, random_networks
from sartor.specializer.cli.options import DEFAULT_SUPERNET
from sartor.specializer.cli.output import print_json, print_table
from sartor.specializer.cost import calibration_networks
from sartor.specializer.shipped import find_spec
from sartor.tables import LatencyTable, SartorError, Store
from sartor.tables.calibration import COVERAGE
from sartor.tables.errors import MeasurementError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One method with one number of networks on one table.

    Attributes:
        table: name.
        networks: that calibrate.
        method: name.
        resampled: how good it is, averaged over draws.
    """

    table: str
    networks: int
    method: str
    resampled: Resampled


def evaluate(
    table: LatencyTable,
    ends: Sequence[str],
    random: Sequence[str],
    counts: Sequence[int],
    draws: int,
    seed: int,
    coverage: float = COVERAGE,
) -> list[Outcome]:
    """Calibrate a table with many choices of its networks, in every way.

    Args:
        table: that measured all of these networks.
        ends: names of the smallest and the largest network.
        random: names of others.
        counts: how many networks are to calibrate.
        draws: how many choices of them.
        seed: of the choices.
        coverage: that intervals are made for.
    """
    known = {whole.network.name: whole for whole in table.networks}
    if missing := {*ends, *random} - known.keys():
        raise MeasurementError(f"{table.name} lacks {min(missing)}; run benchmarks/prediction.py")

    def networks(names: Sequence[str]) -> Networks:
        wholes = [known[name] for name in names]
        return Networks(
            np.array([table.sum_ms(whole.network.operators) for whole in wholes]),
            np.array([whole.measurement.median_ms for whole in wholes]),
        )

    outer, inner = networks(ends), networks(random)
    return [
        Outcome(
            table.name,
            count,
            name,
            resample(method, outer, inner, count, draws, np.random.default_rng(seed), coverage),
        )
        for count in counts
        for name, method in METHODS.items()
    ]


def show(outcomes: Sequence[Outcome], coverage: float) -> None:
    """Print outcomes for people."""
    print_table(
        f"Networks that did not calibrate, and intervals that should hold {coverage:.0%} of them",
        ("table", "calibrated by", "with", "MAPE", "interval", "holds", "from draw to draw"),
        (
            (
                *(one.table, f"{one.networks} networks", one.method, f"{found.mape:.2%}"),
                *(f"± {found.margin:.1%}", f"{found.coverage:.1%}", f"± {found.deviation:.1%}"),
            )
            for one in outcomes
            for found in (one.resampled,)
        ),
    )


def main() -> None:
    """Read the command line, resample, and print."""
    parser = documented_parser(__doc__)
    parser.add_argument("--store", default=str(STORE), help="of benchmarks/prediction.py")
    parser.add_argument("--supernet", default=DEFAULT_SUPERNET, help="that was used there")
    parser.add_argument("--count", type=int, default=50, help="random networks there (50)")
    parser.add_argument("--seed", type=int, default=1, help="of networks there, and of draws (1)")
    parser.add_argument("--networks", type=int, nargs="+", default=[5, 8, 12], help="to calibrate")
    parser.add_argument("--coverage", type=float, default=COVERAGE, help=f"wanted ({COVERAGE})")
    parser.add_argument("--draws", type=int, default=100, help="choices of networks (100)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    arguments = parser.parse_args()
    if not 3 <= min(arguments.networks) <= max(arguments.networks) <= arguments.count // 2:
        parser.error("--networks: want 3, up to half of --count")
    if not 0 < arguments.coverage < 1:
        parser.error("--coverage: want a share between 0 and 1")
    try:
        spec = find_spec(arguments.supernet)
        ends = [graph.name for graph in calibration_networks(spec, 2)]
        random = [g.name for g in random_networks(spec, arguments.count, arguments.seed)]
        with Store.open(arguments.store) as store:
            tables = [store.load(summary.name) for summary in store.tables()]
        outcomes = [
            outcome
            for table in tables
            for outcome in evaluate(
                table,
                ends,
                random,
                arguments.networks,
                arguments.draws,
                arguments.seed,
                arguments.coverage,
            )
        ]
    except SartorError as error:
        sys.exit(f"coverage: {error}")
    if arguments.json:
        print_json([asdict(outcome) for outcome in outcomes])
        return
    show(outcomes, arguments.coverage)


if __name__ == "__main__":
    main()
