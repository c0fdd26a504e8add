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

Compared are a factor, a line (a factor and an offset, least squares of the relative error,
intervals of Student's t from leave-one-out errors less their leverage, as Sartor had it before) and
the curve that Sartor uses.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from sartor.benchmarks.prediction import STORE, random_networks
from sartor.specializer.cli.options import DEFAULT_SUPERNET
from sartor.specializer.cli.output import print_json, print_table
from sartor.specializer.cost import calibration_networks
from sartor.specializer.shipped import find_spec
from sartor.tables import LatencyTable, SartorError, Store, calibrate
from sartor.tables.calibration import COVERAGE
from sartor.tables.errors import MeasurementError
from sartor.tables.student import student_t

Floats = NDArray[np.float64]

Fitted = Callable[[Floats, Floats, Floats, float], tuple[Floats, Floats, Floats]]
"""From sums and latencies of some networks, sums of others and the coverage that is wanted, to the
low, middle and high of the others."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One method with one number of networks on one table, averaged over draws.

    Attributes:
        table: name.
        networks: that calibrate.
        method: name.
        mape: mean absolute error of the others, relative to what was measured.
        margin: half-width of the intervals, relative.
        coverage: share of the others that the intervals hold.
        deviation: standard deviation of that share from draw to draw.
    """

    table: str
    networks: int
    method: str
    mape: float
    margin: float
    coverage: float
    deviation: float


def _linear(terms: Callable[[Floats], list[Floats]]) -> Fitted:
    """Make a method of a linear one: a prediction is a weighted sum of terms of the sum."""

    def fit(sums: Floats, measured: Floats) -> Floats:
        weighted = np.stack(terms(sums), axis=1) / measured[:, None]
        found, *_ = np.linalg.lstsq(weighted, np.ones(len(sums)), rcond=None)
        return np.asarray(found, np.float64)

    def predict(
        sums: Floats, measured: Floats, others: Floats, coverage: float
    ) -> tuple[Floats, Floats, Floats]:
        weighted = np.stack(terms(sums), axis=1) / measured[:, None]
        leverages = (weighted @ np.linalg.pinv(weighted)).diagonal()
        errors = []
        for index in range(len(sums)):
            left = fit(np.delete(sums, index), np.delete(measured, index))
            at = np.stack(terms(sums[index : index + 1]), axis=1) @ left
            errors.append(float(measured[index] / at[0] - 1))
        deviation = np.sqrt(np.mean(np.square(errors) * np.maximum(0, 1 - leverages)))
        parameters, count = len(terms(sums)), len(sums)
        reach = student_t(coverage, count - parameters) * deviation
        margin = reach * np.sqrt(1 + parameters / count)
        middle = np.stack(terms(others), axis=1) @ fit(sums, measured)
        return middle * (1 - margin), middle, middle * (1 + margin)

    return predict


def _curve(
    sums: Floats, measured: Floats, others: Floats, coverage: float
) -> tuple[Floats, Floats, Floats]:
    found = calibrate(list(zip(sums.tolist(), measured.tolist(), strict=True)), coverage)
    return found.low(others), found.middle(others), found.high(others)


METHODS: dict[str, Fitted] = {
    "factor": _linear(lambda sums: [sums]),
    "line": _linear(lambda sums: [sums, np.ones_like(sums)]),
    "curve": _curve,
}


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
    sums = {whole.network.name: table.sum_ms(whole.network.operators) for whole in table.networks}
    measured = {whole.network.name: whole.measurement.median_ms for whole in table.networks}
    if missing := {*ends, *random} - measured.keys():
        raise MeasurementError(f"{table.name} lacks {min(missing)}; run benchmarks/prediction.py")
    sorted_names = np.array(sorted(random, key=sums.__getitem__))
    rng, outcomes = np.random.default_rng(seed), []
    for count in counts:
        rows: dict[str, list[tuple[float, float, float]]] = {name: [] for name in METHODS}
        for _ in range(draws):
            shares = np.array_split(sorted_names, count - len(ends))
            known = [*ends, *(str(rng.choice(share)) for share in shares)]
            rest = [name for name in random if name not in known]
            known_sums, known_ms = _values(sums, known), _values(measured, known)
            wanted_ms = _values(measured, rest)
            for name, method in METHODS.items():
                low, middle, high = method(known_sums, known_ms, _values(sums, rest), coverage)
                within = (low <= wanted_ms) & (wanted_ms <= high)
                error = np.abs(middle / wanted_ms - 1)
                rows[name].append((error.mean(), (high / middle - 1).mean(), within.mean()))
        for name, found in rows.items():
            mape, margin, held = np.mean(found, axis=0).tolist()
            deviation = float(np.std(found, axis=0)[2])
            outcomes.append(Outcome(table.name, count, name, mape, margin, held, deviation))
    return outcomes


def _values(of: Mapping[str, float], names: Sequence[str]) -> Floats:
    return np.array([of[name] for name in names])


def show(outcomes: Sequence[Outcome], coverage: float) -> None:
    """Print outcomes for people."""
    print_table(
        f"Networks that did not calibrate, and intervals that should hold {coverage:.0%} of them",
        ("table", "calibrated by", "with", "MAPE", "interval", "holds", "from draw to draw"),
        (
            (
                *(one.table, f"{one.networks} networks", one.method, f"{one.mape:.2%}"),
                *(f"± {one.margin:.1%}", f"{one.coverage:.1%}", f"± {one.deviation:.1%}"),
            )
            for one in outcomes
        ),
    )


def main() -> None:
    """Read the command line, resample, and print."""
    summary, _, details = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=details, formatter_class=argparse.RawDescriptionHelpFormatter
    )
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
