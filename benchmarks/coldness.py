"""How cold operators have to be found for their sum to be a network's latency.

    python benchmarks/coldness.py                                  # LiteRT, 16, 24 and 48 MB
    python benchmarks/coldness.py --runtime onnxruntime --memory-mb 48
    python benchmarks/coldness.py --runtime onnxruntime:optimization=extended

Operators are timed in turns, and between two inferences of one of them so much memory is touched,
by the others or besides. Random networks are timed twice: again and again, as calibrations do, when
a part of their weights stays in the caches from one inference to the next; and cold, in turns with
operators and each other. The plain sum over operators, without any calibration, is compared with
both, and so are a factor and a line through half of the networks, which predict the other half.

A model of one operator also pays for being called, which a network pays once. So tables take the
latency of a model of next to no work off every row (``tables.called``); where operators are not
measured in frames, which subtract such costs by themselves, sums are also compared with calls left
in.

Everything of one amount of memory is measured in one run, interleaved and in random order. For
figures worth quoting the machine has to be quiet.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sartor.benchmarks.arguments import documented_parser
from sartor.benchmarks.calibrations import FACTOR, LINE, METHODS
from sartor.benchmarks.prediction import CONDITIONS, random_networks
from sartor.devices import Device, find_device
from sartor.profiler import find_runtime, identified, make_plan
from sartor.profiler.batches import ENOUGH_MB, Item, make_batches
from sartor.profiler.interleave import Interleaving
from sartor.profiler.reference import reference_graph
from sartor.profiler.reservation import reserved
from sartor.specializer.cli.options import DEFAULT_PASSES, DEFAULT_SUPERNET
from sartor.specializer.cli.output import print_json, print_table, progress_bar
from sartor.specializer.shipped import find_spec
from sartor.tables import Condition, LatencyTable, Network, SartorError
from sartor.tables.called import CALLS
from sartor.tables.errors import MeasurementError
from sartor.tables.graph import Graph
from sartor.tables.measurement import Window
from sartor.tables.subject import Subject

Floats = NDArray[np.float64]

_COLD = "cold "
"""Stands before the name of a network that is timed in turns with others."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well the sum over operators agrees with networks that were found in one state.

    Attributes:
        bias: mean of sum over network, minus 1.
        mape: mean absolute error of the sum, relative to the network.
        largest_half_mape: the same, of the half that takes longest.
        factor_mape: of networks that a factor fitted to the others predicts.
        line_mape: of networks that a line fitted to the others predicts.
    """

    bias: float
    mape: float
    largest_half_mape: float
    factor_mape: float
    line_mape: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out for one amount of memory.

    Attributes:
        condition: that everything was measured under.
        memory_mb: touched between two inferences of an operator.
        call_us: latency of a model of next to no work.
        agreements: of sums with networks that run again and again, with networks that were found as
            cold as their operators, and the same with sums that hold a call for every operator,
            where rows are not differences between models.
    """

    condition: str
    memory_mb: float
    call_us: float
    agreements: Mapping[str, Agreement]


def compare(sums_ms: Floats, measured_ms: Floats) -> Agreement:
    """Compare sums with networks: (n,) each."""
    order = measured_ms.argsort()
    errors = sums_ms / measured_ms - 1
    halves = order[::2], order[1::2]
    predicted = {}
    for name in (FACTOR, LINE):
        predicted[name] = np.empty_like(measured_ms)
        for known, others in (halves, halves[::-1]):
            fitted = METHODS[name](sums_ms[known], measured_ms[known], sums_ms[others])
            predicted[name][others] = np.abs(fitted.middle / measured_ms[others] - 1)
    return Agreement(
        bias=float(errors.mean()),
        mape=float(np.abs(errors).mean()),
        largest_half_mape=float(np.abs(errors[order[len(order) // 2 :]]).mean()),
        factor_mape=float(predicted[FACTOR].mean()),
        line_mape=float(predicted[LINE].mean()),
    )


def measure(
    device: Device,
    called: str,
    graphs: Sequence[Graph],
    memory_mb: float,
    passes: int,
    seed: int,
) -> Outcome:
    """Measure networks, hot and cold, and all that they are made of.

    Args:
        device: to measure on.
        called: a runtime and its options, as CONDITIONS lists them.
        graphs: the networks.
        memory_mb: touched between two inferences of an operator, or of a cold network.
        passes: processes that time each.
        seed: of the order.
    """
    name, _, options = called.partition(":")
    runtime, condition = find_runtime(name), Condition(name, options=options)
    plan = make_plan((), graphs, passes, framed=runtime.frames(options))
    windows: defaultdict[Subject, list[Window]] = defaultdict(list)
    failures: dict[Subject, str] = {}
    rng = np.random.default_rng(seed)
    items = [
        Item(subject, partial(runtime.write, target.graph), target.memory_mb, alone)
        for target in plan.targets
        for subject, alone in _states(target.subject)
    ]
    with (
        reserved(device),
        progress_bar() as bar,
        identified(device, condition) as (provenance, session),
    ):
        task = bar.add_task(f"{called}, {memory_mb:g} MB", total=passes * len(items))

        def keep(subject: Subject, window: Window) -> None:
            windows[subject].append(window)
            bar.advance(task)

        with Interleaving(
            device=device,
            runtime=runtime,
            threads=condition.threads,
            options=options,
            session=session,
            reference=runtime.write(reference_graph()),
            keep=keep,
            give_up=lambda subject, reason, _pass: failures.update({subject: reason}),
        ) as run:
            for pass_index in range(passes):
                run.take_pass(pass_index, make_batches(items, rng, memory_mb))
    if failures:
        raise MeasurementError("{} could not be measured: {}".format(*failures.popitem()))
    table = LatencyTable.from_windows(called, provenance, windows, {})
    measured_ms = {whole.network.name: whole.measurement.median_ms for whole in table.networks}
    tables = {"": table} if plan.framed else {"": table, ", with calls": table.without(set(CALLS))}
    compared = {
        how: np.array([found.sum_ms(graph.operators) for graph in graphs])
        for how, found in tables.items()
    }
    agreements = {
        state + how: compare(sums, np.array([measured_ms[before + one.name] for one in graphs]))
        for how, sums in compared.items()
        for state, before in (("again and again", ""), ("cold", _COLD))
    }
    return Outcome(str(condition), memory_mb, 1000 * (table.call_ms or 0.0), agreements)


def _states(subject: Subject) -> list[tuple[Subject, bool]]:
    """List under what names a subject is timed, and whether alone: a network in both ways."""
    if not isinstance(subject, Network):
        return [(subject, False)]
    return [(subject, True), (replace(subject, name=_COLD + subject.name), False)]


def show(outcomes: Sequence[Outcome]) -> None:
    """Print outcomes for people."""
    print_table(
        "Sums of operators against networks, and what is left after a factor or a line",
        (
            *("condition", "memory", "a call", "networks run", "bias", "error", "the longer half"),
            *("after a factor", "after a line"),
        ),
        (
            (
                *(one.condition, f"{one.memory_mb:g} MB", f"{one.call_us:.1f} µs", state),
                *(f"{found.bias:+.1%}", f"{found.mape:.1%}", f"{found.largest_half_mape:.1%}"),
                *(f"{found.factor_mape:.1%}", f"{found.line_mape:.1%}"),
            )
            for one in outcomes
            for state, found in one.agreements.items()
        ),
    )


def main() -> None:
    """Read the command line, measure, and print."""
    parser = documented_parser(__doc__)
    parser.add_argument("--runtime", default="litert", choices=CONDITIONS, help="(litert)")
    parser.add_argument(
        "--memory-mb", type=float, nargs="+", default=[16, 24, ENOUGH_MB], help="(16 24 48)"
    )
    parser.add_argument("--supernet", default=DEFAULT_SUPERNET, help="name, or file of weights")
    parser.add_argument("--count", type=int, default=24, help="random networks (24)")
    parser.add_argument(
        "--passes", type=int, default=DEFAULT_PASSES, help="processes that time each (3)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of networks and order (1)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    arguments = parser.parse_args()
    if arguments.count < 8 or arguments.passes < 1 or min(arguments.memory_mb) <= 0:
        parser.error("want --count of 8 or more, --passes of 1 or more, and --memory-mb above 0")
    try:
        graphs = random_networks(find_spec(arguments.supernet), arguments.count, arguments.seed)
        outcomes = [
            measure(
                find_device("local"),
                arguments.runtime,
                graphs,
                memory_mb,
                arguments.passes,
                arguments.seed,
            )
            for memory_mb in arguments.memory_mb
        ]
    except SartorError as error:
        sys.exit(f"coldness: {error}")
    if arguments.json:
        print_json([asdict(outcome) for outcome in outcomes])
        return
    show(outcomes)


if __name__ == "__main__":
    main()
