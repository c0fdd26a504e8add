"""Operators of a new device from tables of others and a few whole networks, as profile does it.

    python benchmarks/transfer_tables.py build/prediction.sqlite
    python benchmarks/transfer_tables.py STORE [STORE ...] --networks 10 --draws 50
    SARTOR_DATA=... python benchmarks/transfer_tables.py --published

Stores are what benchmarks/prediction.py leaves: tables of all operators of the shipped supernet,
with fifty random networks measured besides. Each table in turn is the new one. Of it, nothing is
used but some of its whole networks, chosen among two thirds of them; the others are predicted. The
known tables are all others of another condition together, each of them alone, and, where there is
one, an earlier table of the same condition (the same machine at another time). Known tables keep no
more networks than sartor profile measures by default. All is averaged over draws of the two thirds.

What is compared, from the same networks of the new device:
- transfer: sartor profile --transfer-from, its intervals included;
- random: the same, from networks that were not chosen but drawn;
- best known: what the known table predicts that agrees best, with a line fitted through the same
  networks (benchmarks/calibrations.py; where next to nothing agrees, a curve would be flat);
- multiply-adds: likewise, from multiply-adds.

--published takes tables of different machines: Once-for-All's of the Samsung Note10 and NSGANetV2's
of the i7-8700K (SARTOR_DATA/ofa, SARTOR_DATA/latency/i7), whose rows are blocks. Nobody published
networks, so here the latency of a network is the sum of its blocks, and only that is tested which
has to do with blocks. Pooling is left out, which only one of the two has.

Nothing is measured here, so the machine may be busy.

Tried on the same tables, with scripts that were not kept, and dropped. Errors are with 10 networks,
chosen among 500 whose latencies were what the new device's own table predicts, with noise of 1.5 %:
- TransferModel on whole networks (how often each operator, kind and kernel size runs), whose
  predictions would have had to be taken apart into operators: 15 %, where this has 4.5 %;
- a weighted mean of known rows, with a factor for each kind and kernel size: 7.5 %, where this has
  7.1 % without sizes and 6.0 % with them (34 measured networks to choose from);
- deviations of the prior, or a noise, by the evidence of the measurements or by their leave-one-out
  error: no better than fixed ones. From 0.15 to 0.7 for groups, from 0.1 to 1 for sizes and from
  0.02 to 0.05 for the noise, all errors are within one point;
- an offset that is fitted: 2.4 instead of 2.0 % where an earlier table of the same runtime is
  known; none at all: 3.2 %. A new line through the fitted sums: 2.6 %;
- Gaussian noise: 14.7 instead of 5.0 % where a tenth of the networks takes twice as long, and 5.8
  instead of 4.9 % where it takes 25 % longer; the same without outliers, 4.1 %. Student's t with 4
  instead of 10 degrees of freedom: 4.8, 5.4 and 4.7 %;
- intervals from the leave-one-out errors as they are: twice as wide, for networks that were chosen
  to differ are hard to predict from each other, and no more often right.
The constants were settled on these tables, mostly those of the one machine (docs/measuring.md);
the published ones were looked at twice. So the figures are a little too good.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sartor.benchmarks.arguments import documented_parser
from sartor.benchmarks.calibrations import LINE, METHODS, Predicted, leave_one_out_error
from sartor.benchmarks.transfer import Score, mean_score
from sartor.specializer.cli.options import DEFAULT_NETWORKS, DEFAULT_SUPERNET
from sartor.specializer.cli.output import print_json, print_table
from sartor.specializer.cost import calibration_networks, reachable_operators
from sartor.specializer.shipped import find_spec
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.tables import (
    LatencyTable,
    Network,
    Operator,
    Prediction,
    Quotation,
    SartorError,
    Store,
    Subject,
    composed,
    multiply_adds,
)
from sartor.tables.errors import DatasetError
from sartor.tables.formats.lookup_yaml import read_lookup_yaml
from sartor.tables.formats.origin import Origin
from sartor.tables.transfer import OperatorModel, count_operators, estimate

COUNTS = 5, 7, 10
ENOUGH = 30
"""Networks that a table has to have measured, so that there are some to choose and some to test."""

RESOLUTIONS = 160, 192, 224
"""Of the Note10's tables."""

PUBLISHED = 600
"""Random networks of their space."""

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Case:
    """A device that plays the new one, and the tables that are known.

    Attributes:
        new: what to call the new one.
        known: its tables, by what to call them.
        operators: to estimate.
        networks: of the new device.
        measured_ms: of each.
        table: of the new device, which lends its provenance.
    """

    new: str
    known: Mapping[str, LatencyTable]
    operators: tuple[Operator, ...]
    networks: tuple[Network, ...]
    measured_ms: Floats
    table: LatencyTable


@dataclass(frozen=True)
class Row:
    """Mean score of one case."""

    new: str
    known: tuple[str, ...]
    method: str
    networks: int
    score: Score


def evaluate(case: Case, counts: Sequence[int], draws: int) -> list[Row]:
    """Predict networks of a new device from few others: the mean score by method and count."""
    known = tuple(case.known.values())
    model = OperatorModel.learn(known, case.operators, case.networks)
    seen = count_operators(case.networks, case.operators)
    found: dict[tuple[str, int], list[Score]] = {}
    for draw in range(draws):
        order = np.random.default_rng(draw).permutation(len(case.networks))
        candidates, tests = np.split(order, [2 * len(order) // 3])
        chosen = candidates[list(model.choose(seen[candidates], max(counts)))]
        for count in counts:
            for method, predictions in predict(
                case, model, chosen[:count], candidates[:count], tests
            ):
                ends = predictions.low, predictions.high
                score = Score.of(predictions.middle, case.measured_ms[tests], ends)
                found.setdefault((method, count), []).append(score)
    return [
        Row(case.new, tuple(case.known), method, count, mean_score(scores))
        for (method, count), scores in found.items()
    ]


def predict(
    case: Case, model: OperatorModel, chosen: Indices, drawn: Indices, tests: Indices
) -> Iterator[tuple[str, Predicted]]:
    """Predict the test networks by every method, from those chosen, or drawn, and measured."""
    for method, measured in (("transfer", chosen), ("random", drawn)):
        table = transferred(case, model, measured)
        yield method, _predicted([table.predict(case.networks[test].operators) for test in tests])
    measured_ms, line = case.measured_ms[chosen], METHODS[LINE]
    known = [_sizes(case, name) for name in case.known]
    best = min(known, key=lambda sizes: leave_one_out_error(line, sizes[chosen], measured_ms))
    for method, sizes in (("multiply-adds", _sizes(case, "multiply-adds")), ("best known", best)):
        yield method, line(sizes[chosen], measured_ms, sizes[tests])


def transferred(case: Case, model: OperatorModel, measured: Indices) -> LatencyTable:
    """Make the table that sartor profile --transfer-from would make of some networks."""
    found = {case.networks[one]: float(case.measured_ms[one]) for one in measured}
    entries = {network: Quotation(latency_ms) for network, latency_ms in found.items()}
    return replace(case.table, entries=entries, transfer=estimate(model, found))


def _sizes(case: Case, by: str) -> Floats:
    """Multiply-adds of every network, or what a known table predicts."""
    if by == "multiply-adds":
        counts = [sum(map(multiply_adds, network.operators)) for network in case.networks]
        return np.array(counts, np.float64)
    table = case.known[by]
    return np.array([table.predict(network.operators).latency_ms for network in case.networks])


def _predicted(predictions: Sequence[Prediction]) -> Predicted:
    ends = [(one.low_ms, one.latency_ms, one.high_ms) for one in predictions]
    return Predicted(*np.array(ends, np.float64).T)


def stored(paths: Sequence[Path]) -> Iterator[Case]:
    """Take tables out of stores, and let each of another condition be the new one."""
    spec = find_spec(DEFAULT_SUPERNET)
    operators = reachable_operators(spec)
    usual = {graph.name for graph in calibration_networks(spec, DEFAULT_NETWORKS)}
    tables: dict[str, LatencyTable] = {}
    for path in paths:
        if not path.is_file():
            raise DatasetError(f"there is no store {path}; benchmarks/prediction.py makes one")
        with Store.open(path) as store:
            for summary in store.tables():
                if summary.networks >= ENOUGH:
                    tables[f"{summary.name} of {path.stem}"] = store.load(summary.name)
    by_age = sorted(tables.items(), key=lambda item: item[1].provenance.created_at)
    latest = {table.provenance.condition: name for name, table in by_age}
    for new in sorted(latest.values()):
        others = [name for name in latest.values() if name != new]
        condition = tables[new].provenance.condition
        earlier = [n for n, t in by_age if t.provenance.condition == condition and n != new]
        singles = [[name] for name in sorted(others)] if len(others) > 1 else []
        for known in filter(None, (sorted(others), *singles, *([name] for name in earlier))):
            wholes = tables[new].networks
            yield Case(
                new,
                {name: _usual(tables[name], usual) for name in known},
                operators,
                tuple(whole.network for whole in wholes),
                np.array([whole.measurement.median_ms for whole in wholes]),
                tables[new],
            )


def _usual(table: LatencyTable, names: set[str]) -> LatencyTable:
    others = [whole.network for whole in table.networks if whole.network.name not in names]
    return table.without(others)


def published(folder: Path) -> Iterator[Case]:
    """Let the Note10 and the i7-8700K be new in turn."""
    note10 = [folder / "ofa" / "note10" / f"{size}_lookup_table.yaml" for size in RESOLUTIONS]
    tables = {
        "Note10": _read("Note10", note10),
        "i7-8700K": _read("i7-8700K", [folder / "latency" / "i7" / "i7-8700K_lut.yaml"]),
    }
    spec = MobileNetV3(1.2, resolutions=RESOLUTIONS)
    shared = frozenset.intersection(*(frozenset(table.rows) for table in tables.values()))
    networks = []
    for row in spec.space.random(PUBLISHED, np.random.default_rng(0)).tolist():
        graph = spec.graph(tuple(row))
        rows = tuple(one for one in composed(graph.operators) if one in shared)
        networks.append(Network(graph.name, rows))
    operators = tuple(sorted({one for network in networks for one in network.operators}))
    for new, known in (("Note10", "i7-8700K"), ("i7-8700K", "Note10")):
        sums = np.array([tables[new].sum_ms(network.operators) for network in networks])
        yield Case(new, {known: tables[known]}, operators, tuple(networks), sums, tables[new])


def _read(device: str, paths: Sequence[Path]) -> LatencyTable:
    rows: dict[Subject, Quotation] = {}
    for path in paths:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DatasetError(f"cannot read {path}: {error}; set SARTOR_DATA") from error
        table = read_lookup_yaml(Origin(device, path.name, content, "now", "this", device)).table
        rows |= table.quotations
    return LatencyTable.from_windows(device, table.provenance, {}, {}, rows)


def show(rows: Sequence[Row]) -> None:
    """Print everything for people."""
    counts = sorted({row.networks for row in rows})
    cases = list(dict.fromkeys((row.new, row.known) for row in rows))
    for new, known in cases:
        among = [row for row in rows if (row.new, row.known) == (new, known)]
        _print(f"{new}, from {', '.join(known)}", among, counts)
    if len(cases) > 1:
        _print(f"Mean of these {len(cases)}", rows, counts)


def _print(title: str, rows: Sequence[Row], counts: Sequence[int]) -> None:
    cells = {
        (method, count): mean_score(
            [row.score for row in rows if (row.method, row.networks) == (method, count)]
        )
        for method, count in dict.fromkeys((row.method, row.networks) for row in rows)
    }
    print_table(
        f"{title}: error, Spearman; interval and what it holds, by networks measured",
        ("by", *map(str, counts)),
        (
            (method, *(_cell(cells[method, count]) for count in counts))
            for method in dict.fromkeys(method for method, _ in cells)
        ),
    )


def _cell(score: Score) -> str:
    interval = f"± {score.half_width:.0%} holds {score.coverage:.0%}"
    return f"{score.mape:.1%}, {score.spearman:.3f}; {interval}"


def main() -> None:
    """Read the command line, evaluate, and print."""
    parser = documented_parser(__doc__)
    parser.add_argument("store", nargs="*", type=Path, help="that benchmarks/prediction.py left")
    parser.add_argument("--published", action="store_true", help="tables of SARTOR_DATA")
    parser.add_argument("--networks", action="append", type=int, help="5, 7 and 10 if none")
    parser.add_argument("--draws", type=int, default=20, help="of candidates (20)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    arguments = parser.parse_args()
    counts = sorted(set(arguments.networks or COUNTS))
    if not 3 <= counts[0] <= counts[-1] <= ENOUGH // 2 or arguments.draws < 1:
        parser.error(f"--networks takes 3 to {ENOUGH // 2}, and --draws at least 1")
    if bool(arguments.store) == arguments.published:
        parser.error("name stores, or --published")
    try:
        folder = Path(os.environ.get("SARTOR_DATA", "."))
        cases = published(folder) if arguments.published else stored(arguments.store)
        rows = [row for case in cases for row in evaluate(case, counts, arguments.draws)]
    except SartorError as error:
        sys.exit(f"transfer_tables: {error}")
    if not rows:
        sys.exit("transfer_tables: two tables of different conditions are needed, with networks")
    if arguments.json:
        print_json([asdict(row) for row in rows])
    else:
        show(rows)


if __name__ == "__main__":
    main()
