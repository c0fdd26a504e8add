"""Predicted against measured latency of sub-networks that the prediction has not seen.

    python benchmarks/prediction.py                     # every runtime
    python benchmarks/prediction.py --runtime litert
    python benchmarks/prediction.py --runtime onnxruntime:optimization=extended
    python benchmarks/prediction.py --rows both         # blocks beside operators

In one run, interleaved and in random order, it measures every operator that the supernet can
reach, or every block, the networks that calibrate a latency table, and random sub-networks. The
table then predicts the random ones, from those rows and the calibration networks alone; where it
has both, by those that it holds for better, and what the others would have predicted stands beside
it. So do the plain sums, what multiply-adds would have predicted (a line fitted to the same
calibration networks), and the noise floor: how well the measurement predicts itself. What share of
the networks the intervals hold depends on those that calibrated, so it is also given as an average
over a hundred choices of them (benchmarks/coverage.py tells more).

Interrupt it at any time: the same command goes on where it stopped. For figures worth quoting the
machine has to be quiet.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sartor.benchmarks.arguments import documented_parser
from sartor.benchmarks.calibrations import CURVE, LINE, METHODS, Networks, resample
from sartor.devices import find_device
from sartor.profiler import RUNTIMES, Progress, collect, find_runtime, make_plan
from sartor.specializer.cli.options import (
    DEFAULT_MOST_PASSES,
    DEFAULT_NETWORKS,
    DEFAULT_PASSES,
    DEFAULT_SUPERNET,
)
from sartor.specializer.cli.output import note, print_facts, print_json, print_table, progress_bar
from sartor.specializer.cli.profile import Rows
from sartor.specializer.cost import calibration_networks, reachable_operators
from sartor.specializer.shipped import find_spec
from sartor.specializer.supernets.supernet import Supernet
from sartor.tables import Condition, LatencyTable, Network, NetworkMeasurement, SartorError, Store
from sartor.tables.errors import MeasurementError
from sartor.tables.estimator import Estimator, Standing, standings
from sartor.tables.graph import Graph

STORE = Path(__file__).resolve().parent.parent / "build" / "prediction.sqlite"
CONDITIONS = tuple(
    ":".join(filter(None, (name, options)))
    for name, runtime in sorted(RUNTIMES.items())
    if runtime.shipped
    for options in runtime.options
    if not options.endswith("cuda")
)

_DRAWS = 100

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Score:
    """How good predictions of several networks were.

    Attributes:
        mape: mean absolute error, relative to the measured latency.
        within_5: share of networks that were less than 5 % off.
        within_10: share of networks that were less than 10 % off.
        spearman: rank correlation, -1 to 1.
    """

    mape: float
    within_5: float
    within_10: float
    spearman: float

    @classmethod
    def of(cls, predicted: Floats, measured: Floats) -> Score:
        """Judge predictions, (n,), by measurements, (n,), in the same unit."""
        errors = np.abs(predicted / measured - 1)
        return cls(
            mape=float(errors.mean()),
            within_5=float((errors <= 0.05).mean()),
            within_10=float((errors <= 0.10).mean()),
            spearman=float(np.corrcoef(_ranks(predicted), _ranks(measured))[0, 1]),
        )


@dataclass(frozen=True, slots=True)
class ByRows:
    """How good predictions by a table's rows for operators were, or by those for blocks.

    Attributes:
        rows: ``operators`` or ``blocks``.
        used: whether the table predicts by them.
        leave_one_out_error: by which it decides; None where fewer than two networks calibrate it.
        calibration: the line from sums to networks.
        score: of the predictions.
        plain_sum: score of the sums, without calibration.
        predicted_ms: of each network.
        coverage: share of networks measured within their predicted intervals.
        resampled_coverage: the same share, averaged over a hundred choices of the networks that
            calibrate: one may do better or worse by chance; None where the networks are too few.
        promised_coverage: share that the table claims.
        margin: half-width of the intervals, relative to the prediction.
    """

    rows: str
    used: bool
    leave_one_out_error: float | None
    calibration: str
    score: Score
    plain_sum: Score
    predicted_ms: tuple[float, ...]
    coverage: float
    resampled_coverage: float | None
    promised_coverage: float
    margin: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out for one runtime.

    Attributes:
        condition: that everything was measured under.
        runtime_version: as the runtime says.
        networks: names of the held-out networks.
        multiply_adds: of each.
        measured_ms: of each.
        baseline_ms: of each, by a line over multiply-adds.
        by_rows: predictions by the table's rows, those that it uses first.
        baseline: score of the line.
        noise_mape: error of a measured latency itself, as its passes show it: half of what two
            halves of the passes differ by.
    """

    condition: str
    runtime_version: str
    networks: tuple[str, ...]
    multiply_adds: tuple[int, ...]
    measured_ms: tuple[float, ...]
    baseline_ms: tuple[float, ...]
    by_rows: tuple[ByRows, ...]
    baseline: Score
    noise_mape: float


def random_networks(supernet: Supernet, count: int, seed: int) -> tuple[Graph, ...]:
    """Draw different sub-networks, none of which calibrates tables."""
    known = {graph.name for graph in calibration_networks(supernet, DEFAULT_NETWORKS)}
    drawn = supernet.space.random(2 * count + len(known), np.random.default_rng(seed))
    graphs = {}
    for row in drawn.tolist():
        graph = supernet.graph(tuple(row))
        if graph.name not in known:
            graphs[graph.name] = graph
    return tuple(graphs.values())[:count]


def evaluate(
    table: LatencyTable, calibration: Sequence[Graph], held_out: Sequence[Graph]
) -> Outcome:
    """Predict networks of a table as if it had not measured them, and compare."""
    blind = table.without({Network(graph.name, graph.operators) for graph in held_out})
    measured_ms = _latencies_ms(table, held_out)
    covering = [
        estimator
        for estimator in blind.estimators
        if all(estimator.covers(graph.operators) for graph in held_out)
    ] or blind.estimators[:1]  # which then says what is missing
    known = _multiply_adds(calibration), _latencies_ms(table, calibration)
    baseline_ms = METHODS[LINE](*known, _multiply_adds(held_out)).middle
    return Outcome(
        condition=str(table.provenance.condition),
        runtime_version=table.provenance.runtime_version,
        networks=tuple(graph.name for graph in held_out),
        multiply_adds=tuple(graph.multiply_adds for graph in held_out),
        measured_ms=tuple(measured_ms.tolist()),
        baseline_ms=tuple(baseline_ms.tolist()),
        by_rows=tuple(
            _by_rows(
                estimator, standing, _networks(table, estimator, calibration), held_out, measured_ms
            )
            for estimator, standing in zip(covering, standings(covering, covering[0]), strict=True)
        ),
        baseline=Score.of(baseline_ms, measured_ms),
        noise_mape=noise(_measurements(table, held_out)),
    )


def _by_rows(
    estimator: Estimator,
    standing: Standing,
    calibration: Networks,
    held_out: Sequence[Graph],
    measured_ms: Floats,
) -> ByRows:
    predictions = [estimator.predict(graph.operators) for graph in held_out]
    sums_ms = np.array([estimator.sum_ms(graph.operators) for graph in held_out])
    predicted_ms = np.array([prediction.latency_ms for prediction in predictions])
    held = [
        prediction.low_ms <= latency_ms <= prediction.high_ms
        for prediction, latency_ms in zip(predictions, measured_ms, strict=True)
    ]
    return ByRows(
        rows=standing.rows,
        used=standing.used,
        leave_one_out_error=standing.leave_one_out_error,
        calibration=estimator.calibration.formula,
        score=Score.of(predicted_ms, measured_ms),
        plain_sum=Score.of(sums_ms, measured_ms),
        predicted_ms=tuple(predicted_ms.tolist()),
        coverage=float(np.mean(held)),
        resampled_coverage=_resampled_coverage(calibration, Networks(sums_ms, measured_ms)),
        promised_coverage=estimator.calibration.coverage,
        margin=estimator.calibration.margin,
    )


def _networks(table: LatencyTable, estimator: Estimator, graphs: Sequence[Graph]) -> Networks:
    sums_ms = [estimator.sum_ms(graph.operators) for graph in graphs]
    return Networks(np.array(sums_ms), _latencies_ms(table, graphs))


def _resampled_coverage(calibration: Networks, held_out: Networks) -> float | None:
    """Tell what share of networks intervals hold on average; a hundred draws take two seconds."""
    count = len(calibration.sums)
    if len(held_out.sums) < 2 * count:
        return None
    ends = calibration.take(calibration.sums.argsort()[[0, -1]])
    rng = np.random.default_rng(0)
    return resample(METHODS[CURVE], ends, held_out, count, _DRAWS, rng).coverage


def noise(networks: Sequence[NetworkMeasurement]) -> float:
    """Estimate the mean relative error of measured latencies from two halves of their passes."""
    halves = [
        [np.median(whole.measurement.window_medians_ms[start::2]) for start in (0, 1)]
        for whole in networks
        if len(whole.measurement.window_medians_ms) > 1
    ]
    one, other = np.array(halves).reshape(-1, 2).T
    return float(np.abs(one / other - 1).mean()) / 2 if halves else float("nan")


def _measurements(table: LatencyTable, graphs: Sequence[Graph]) -> tuple[NetworkMeasurement, ...]:
    measured = {whole.network.name: whole for whole in table.networks}
    if missing := [graph.name for graph in graphs if graph.name not in measured]:
        raise MeasurementError(f"{missing[0]} could not be measured; run the benchmark again")
    return tuple(measured[graph.name] for graph in graphs)


def _latencies_ms(table: LatencyTable, graphs: Sequence[Graph]) -> Floats:
    return np.array([whole.measurement.median_ms for whole in _measurements(table, graphs)])


def _multiply_adds(graphs: Sequence[Graph]) -> Floats:
    return np.array([graph.multiply_adds for graph in graphs], np.float64)


def _ranks(values: Floats) -> NDArray[np.intp]:
    return values.argsort().argsort()


def measure(arguments: argparse.Namespace, called: str) -> Outcome:
    """Measure for one condition whatever the store does not hold yet, and evaluate."""
    runtime, _, options = called.partition(":")
    spec, name = find_spec(arguments.supernet), f"prediction-{called.replace(':', '-')}"
    calibration = calibration_networks(spec, DEFAULT_NETWORKS)
    held_out = random_networks(spec, arguments.count, arguments.seed)
    rows = Rows(arguments.rows).granularities
    plan = make_plan(
        [operator for each in rows for operator in reachable_operators(spec, each)],
        (*calibration, *held_out),
        arguments.passes,
        framed=find_runtime(runtime).frames(options),
        most_passes=arguments.most_passes,
        rows=rows,
    )
    rng = np.random.default_rng(arguments.seed)
    condition = Condition(runtime, options=options)
    with Store.open(arguments.store) as store, progress_bar() as bar:
        task = bar.add_task(called, total=plan.windows)

        def show(done: Progress) -> None:
            bar.update(task, completed=done.windows + done.failures, total=done.of_windows)

        report = collect(find_device("local"), store, name, plan, condition, rng, show)
        note(
            f"{called}: {report.measured} windows in {report.seconds:.0f} s, the device at work "
            f"{report.busy_share:.0%} of it, {len(report.unsteady)} subjects not steady"
        )
        return evaluate(store.load(name), calibration, held_out)


def show(outcome: Outcome) -> None:
    """Print an outcome for people."""
    facts: dict[str, object] = {
        "networks": len(outcome.networks),
        "latencies": f"{min(outcome.measured_ms):.2f}–{max(outcome.measured_ms):.2f} ms",
        "noise floor": f"{outcome.noise_mape:.1%}: how far off a measured latency itself is",
    }
    scores = []
    for one in outcome.by_rows:
        error = "unknown" if one.leave_one_out_error is None else f"{one.leave_one_out_error:.1%}"
        facts[f"calibration of {one.rows}"] = (
            f"{one.calibration}, leave-one-out error {error}{', used' if one.used else ''}"
        )
        average = one.resampled_coverage
        others = "" if average is None else f"; {average:.0%} with others that calibrate"
        facts[f"interval of {one.rows}"] = (
            f"± {one.margin:.1%} holds {one.coverage:.0%} of them "
            f"(promised: {one.promised_coverage:.0%}{others})"
        )
        scores.append((f"rows for {one.rows}", one.score))
        scores.append((f"plain sum of {one.rows}", one.plain_sum))
    print_facts(f"{outcome.runtime_version}, {outcome.condition}", facts)
    print_table(
        "Predicted against measured",
        ("by", "MAPE", "within ±5 %", "within ±10 %", "Spearman"),
        (
            (by, f"{s.mape:.1%}", f"{s.within_5:.0%}", f"{s.within_10:.0%}", f"{s.spearman:.3f}")
            for by, s in (*scores, ("multiply-adds", outcome.baseline))
        ),
    )


def main() -> None:
    """Read the command line, measure, and print."""
    parser = documented_parser(__doc__)
    parser.add_argument("--runtime", action="append", choices=CONDITIONS, help="all if none")
    parser.add_argument(
        "--rows", default="operators", choices=[each.value for each in Rows], help="(operators)"
    )
    parser.add_argument("--supernet", default=DEFAULT_SUPERNET, help="name, or file of weights")
    parser.add_argument("--count", type=int, default=50, help="random networks (50)")
    parser.add_argument(
        "--passes", type=int, default=DEFAULT_PASSES, help="processes that time each (3)"
    )
    parser.add_argument(
        "--most-passes", type=int, default=DEFAULT_MOST_PASSES, help="while it is not steady (8)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of networks and order (1)")
    parser.add_argument("--store", default=str(STORE), help="where measurements are kept")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    arguments = parser.parse_args()
    if arguments.count < 2:
        parser.error("--count: a rank correlation takes at least 2 networks")
    try:
        runtimes = arguments.runtime or CONDITIONS
        outcomes = [measure(arguments, runtime) for runtime in runtimes]
    except SartorError as error:
        sys.exit(f"prediction: {error}")
    if arguments.json:
        print_json([asdict(outcome) for outcome in outcomes])
        return
    for outcome in outcomes:
        show(outcome)


if __name__ == "__main__":
    main()
