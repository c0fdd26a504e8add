"""Does inheriting work, and do several supernets rank sub-networks better than one?

    python benchmarks/inheritance.py --data imagenette2-160 --supernet my.safetensors --out runs

For random sub-networks of a trained supernet, top-1 on images that nothing was trained on:

- *inherited*: cut out of the supernet, BatchNorm recalibrated, nothing trained;
- *few-shot*: inherited from the supernet of its region, after the space was split along one
  dimension and a copy of the supernet was fine-tuned in each region (Zhao et al., ICML 2021);
- *tuned*: inherited, then trained further for itself alone;
- *scratch*: trained by itself from random weights, for as many epochs as the tuned ones;
- *alone*: trained by itself from what the supernet started from (no supernet).

Kendall's τ says how well inherited accuracies rank the networks as *alone* does; the intervals are
90 % bootstrap ones over networks. Every training is by Sartor's own trainer, with what the
supernet's recipe says, so a recipe on disk tells all.

Interrupt it at any time: the same command goes on where it stopped. Other weights, images, epochs
or batches give results of their own in the same folder.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from sartor.benchmarks.arguments import documented_parser
from sartor.benchmarks.ranking import ALL, WITHIN, Agreement, Interval, agreement, gain
from sartor.benchmarks.trials import (
    ALONE,
    FEW_SHOT,
    INHERITED,
    SCRATCH,
    TUNED,
    Plan,
    Trial,
    Trials,
    make_all,
)
from sartor.specializer.cli.output import note, print_facts, print_table, progress_bar
from sartor.specializer.evaluate import DEVICES
from sartor.specializer.region import Region, draw_subnetworks, split
from sartor.specializer.space import SearchSpace
from sartor.tables import SartorError
from sartor.tables.atomic import write_atomically

KINDS = (INHERITED, FEW_SHOT, TUNED, SCRATCH, ALONE)
_LEAST = {"networks": 2, "batch_size": 2, "seed": 0}  # of all other numbers it is 1


@dataclass(frozen=True, slots=True)
class Report:
    """What came out.

    Attributes:
        supernet: name or file.
        recipe: that it was trained by.
        images: that all were judged by.
        split: dimension of the few-shot regions.
        epochs: of each kind's training.
        networks: top-1 of each sub-network, 0–1, by kind.
        mean: top-1 of all networks, by kind; without TUNED and SCRATCH, of which there may be
            fewer.
        mean_of_tuned: top-1 of those networks that were tuned, by kind.
        kendall_tau: of inherited and few-shot accuracies with those of networks trained alone;
            groups are the resolutions.
        gain_in_tau: by how much few-shot accuracies rank better than inherited ones.
    """

    supernet: str
    recipe: str
    images: int
    split: str
    epochs: Mapping[str, int]
    networks: Mapping[str, Mapping[str, float]]
    mean: Mapping[str, float]
    mean_of_tuned: Mapping[str, float]
    kendall_tau: Mapping[str, Agreement]
    gain_in_tau: Agreement


def plan_trials(
    space: SearchSpace, chosen: Sequence[str], tuned: int, dimension: str
) -> list[Trial]:
    """List what has to be tried for some sub-networks, the longest first.

    Args:
        space: of the sub-networks.
        chosen: their texts.
        tuned: how many of them, from the first on, are tuned, and trained from scratch.
        dimension: to split the space by; regions without any of them are not trained.

    Raises:
        FormatError: the space has no such dimension.
    """
    population = np.array([space.parse(text) for text in chosen], np.int16)

    def inside(region: Region) -> tuple[str, ...]:
        flags = region.contains(space, population)
        return tuple(text for text, there in zip(chosen, flags, strict=True) if there)

    regions = [(str(region), inside(region)) for region in split(space, dimension)]
    return [
        *(Trial(FEW_SHOT, texts, region) for region, texts in regions if texts),
        *(Trial(kind, (text,)) for kind in (ALONE, TUNED, SCRATCH) for text in chosen[:tuned]),
        *(Trial(ALONE, (text,)) for text in chosen[tuned:]),
        *(Trial(INHERITED, (text,)) for text in chosen),
    ]


def run(arguments: argparse.Namespace) -> Report:
    """Make the trials that are not made yet, and put all side by side."""
    plan = Plan(
        data=arguments.data,
        supernet=arguments.supernet,
        out=arguments.out,
        device=arguments.device,
        tune_epochs=arguments.tune_epochs,
        alone_epochs=arguments.alone_epochs,
        region_epochs=arguments.region_epochs,
        batch_size=arguments.batch_size,
        torch_threads=arguments.torch_threads,
    )
    trials = Trials(plan)
    rng = np.random.default_rng(arguments.seed)
    drawn = draw_subnetworks(trials.space, arguments.networks, rng)
    chosen = [trials.space.text(subnetwork) for subnetwork in drawn]
    wanted = plan_trials(trials.space, chosen, arguments.tuned, arguments.split)
    waiting = [trial for trial in wanted if not trials.path(trial).exists()]
    note(f"{len(wanted)} trials, {len(waiting)} of them still to do")
    with progress_bar() as bar:
        task = bar.add_task("trials", total=len(waiting))

        def done(trial: Trial) -> None:
            bar.advance(task)
            if bar.disable:
                note(f"done: {trial}")

        if waiting:
            make_all(plan, waiting, arguments.jobs, done)
    networks: dict[str, dict[str, float]] = {text: {} for text in chosen}
    for trial in wanted:
        for text, accuracy in trials.result(trial).items():
            networks[text][trial.kind] = accuracy
    return summarise(plan, trials, networks, arguments.split)


def summarise(
    plan: Plan, trials: Trials, networks: Mapping[str, Mapping[str, float]], dimension: str
) -> Report:
    """Correlate the accuracies of all trials."""
    columns = {
        kind: np.array([accuracies[kind] for accuracies in networks.values()])
        for kind in (INHERITED, FEW_SHOT, ALONE)
    }
    tuned = [accuracies for accuracies in networks.values() if TUNED in accuracies]
    groups = np.array([text.partition(":")[0] for text in networks])
    truth = columns[ALONE]
    return Report(
        supernet=plan.supernet,
        recipe=trials.recipe.name,
        images=len(trials.judged),
        split=dimension,
        epochs=plan.epochs,
        networks=networks,
        mean={kind: float(column.mean()) for kind, column in columns.items()},
        mean_of_tuned={kind: float(np.mean([one[kind] for one in tuned])) for kind in KINDS},
        kendall_tau={
            kind: agreement(columns[kind], truth, groups) for kind in (INHERITED, FEW_SHOT)
        },
        gain_in_tau=gain(columns[FEW_SHOT], columns[INHERITED], truth, groups),
    )


def show(report: Report) -> None:
    """Print a report for people."""
    tuned = sum(TUNED in accuracies for accuracies in report.networks.values())
    facts = {
        "recipe": report.recipe,
        "accuracy": f"top-1 on {report.images} images that nothing was trained on",
        "networks": f"{len(report.networks)}, of which {tuned} were tuned",
        "few-shot": f"one supernet for each {report.split}",
    }
    print_facts(report.supernet, facts)
    print_table(
        "Mean top-1",
        ("weights", "epochs", f"all {len(report.networks)}", f"the {tuned} tuned"),
        (
            (
                kind,
                report.epochs[kind],
                f"{report.mean[kind]:.2%}" if kind in report.mean else "",
                f"{report.mean_of_tuned[kind]:.2%}",
            )
            for kind in KINDS
        ),
    )
    rows = {**report.kendall_tau, f"{FEW_SHOT} − {INHERITED}": report.gain_in_tau}
    print_table(
        "Kendall's τ with the networks trained alone, and its 90 % interval",
        ("weights", "all networks", "within one resolution"),
        ((name, _interval(taus[ALL]), _interval(taus[WITHIN])) for name, taus in rows.items()),
    )


def _interval(one: Interval | None) -> str:
    if one is None:
        return "no two to compare"
    return f"{one.value:+.2f} ({one.low:+.2f} to {one.high:+.2f})"


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = documented_parser(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder, as sartor train takes it")
    parser.add_argument("--supernet", required=True, help="a supernet that `sartor train` wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder for runs and results")
    parser.add_argument("--networks", type=int, default=30, help="random sub-networks (30)")
    parser.add_argument(
        "--tuned", type=int, default=10, help="how many are tuned, and from scratch (10)"
    )
    parser.add_argument(
        "--split", default="resolution", help="dimension of the few-shot regions (resolution)"
    )
    parser.add_argument("--tune-epochs", type=int, default=8, help="of a tuned network (8)")
    parser.add_argument("--alone-epochs", type=int, default=30, help="of one alone (30)")
    parser.add_argument("--region-epochs", type=int, default=6, help="of a few-shot supernet (6)")
    parser.add_argument("--batch-size", type=int, default=128, help="images of one step (128)")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once (1)")
    parser.add_argument("--torch-threads", type=int, default=1, help="of each process (1)")
    parser.add_argument("--device", default="auto", choices=DEVICES, help="of torch (auto)")
    parser.add_argument("--seed", type=int, default=7, help="that draws the networks (7)")
    parser.add_argument("--json", type=Path, help="file for the whole report as JSON")
    arguments = parser.parse_args()
    for name, value in vars(arguments).items():
        least = _LEAST.get(name, 1)
        if isinstance(value, int) and value < least:
            parser.error(f"--{name.replace('_', '-')}: want {least} or more, not {value}")
    if arguments.tuned > arguments.networks:
        parser.error(f"--tuned: want at most all {arguments.networks} networks")
    return arguments


def main() -> None:
    """Try, print, and write what was asked for."""
    arguments = parse()
    try:
        report = run(arguments)
        show(report)
        if arguments.json:
            document = json.dumps(asdict(report), indent=2, allow_nan=False)
            write_atomically(arguments.json, document.encode())
    except SartorError as error:
        sys.exit(f"inheritance: {error}")


if __name__ == "__main__":
    main()
