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
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sartor.devices import find_device
from sartor.profiler import RUNTIMES, Plan, Progress, collect, make_plan
from sartor.specializer.checkpoint import load_supernet
from sartor.specializer.cli.options import DEFAULT_SUPERNET
from sartor.specializer.cli.output import note, print_facts, print_table, progress_bar
from sartor.specializer.cost import CostTensor, calibration_networks, reachable_operators
from sartor.specializer.evaluate import LabelledPixels, decode
from sartor.specializer.evaluations import Evaluator
from sartor.specializer.images import ImageFolder, normalise_pixels
from sartor.specializer.network import Network, RunningNorm, graph_tensors, run_graph
from sartor.specializer.search.fastest import fastest
from sartor.specializer.shipped import find_spec, find_supernet
from sartor.specializer.space import ABSENT, SearchSpace, SubNetwork, required_slots
from sartor.specializer.specialize import Specializer
from sartor.specializer.supernets.supernet import Supernet
from sartor.tables import Condition, LatencyTable, SartorError, Store
from sartor.tables.atomic import write_atomically
from sartor.tables.errors import CheckpointError, MeasurementError

STORE = Path(__file__).resolve().parent.parent / "build" / "specialization.sqlite"
CALIBRATION_NETWORKS, PROFILE_PASSES = 5, 3  # as `sartor profile` measures by default
CALIBRATION_IMAGES = 256
TOLERANCE = 0.02
"""Two latencies are equal when the second is at most this much longer, relatively."""
NEAR = 0.85
"""Share of a budget that random networks near it use at least."""
RANDOM, RANDOM_NEAR, UNIFORM = "random", "random near the budget", "uniformly scaled"
KINDS = (RANDOM, RANDOM_NEAR, UNIFORM)
CAVEAT = (
    "The specialised networks were chosen by a predictor that knows held-out training photos, "
    "never by the validation split; the others are the best of many by the accuracy shown, which "
    "flatters them. Differences are paired, over the same photos, with 95 % intervals."
)

_DRAWN_AT_ONCE = 200_000
_DRAWS = 100  # there are budgets that one random network in 200,000 comes near
_BATCH = 16  # images; on two cores faster than 64 by half, for large networks
_Z = 1.959964  # of a 95 % interval

Flags = NDArray[np.bool_]
Latency = tuple[float, float, float]
"""Measured median, and the ends of its 95 % interval, in milliseconds."""


@dataclass(frozen=True, slots=True)
class Difference:
    """By how much one network is more accurate than another, on the same images.

    Attributes:
        points: difference of the accuracies, in percentage points.
        low: lower end of its 95 % interval.
        high: upper end of it.
        p_value: of McNemar's exact test: how likely so unequal a count of images that only one of
            the two gets right is, if neither is better.
    """

    points: float
    low: float
    high: float
    p_value: float

    @classmethod
    def of(cls, right: Flags, other: Flags) -> Difference:
        """Compare two networks' right answers, each (images,).

        Source: Agresti, Categorical data analysis, section 10.1 (matched pairs).
        """
        images = len(right)
        wins, losses = int((right & ~other).sum()), int((other & ~right).sum())
        mean = (wins - losses) / images
        error = math.sqrt((wins + losses) / images - mean * mean) / math.sqrt(images)
        return cls(
            points=100 * mean,
            low=100 * (mean - _Z * error),
            high=100 * (mean + _Z * error),
            p_value=mcnemar(wins, losses),
        )


def mcnemar(wins: int, losses: int) -> float:
    """Return the two-sided p-value of McNemar's exact test.

    Args:
        wins: images that the first network alone gets right.
        losses: images that the second alone gets right.
    """
    count = wins + losses
    tail = sum(math.comb(count, index) for index in range(min(wins, losses) + 1))
    return min(1.0, 2 * tail / (1 << count))


@dataclass(frozen=True, slots=True)
class Case:
    """One budget, and the networks that are there because of it.

    Attributes:
        budget_ms: that the upper end of the predicted interval keeps to.
        specialised: what the search found.
        predicted_accuracy: of it, 0–1.
        near: random networks that come near the budget.
    """

    budget_ms: float
    specialised: SubNetwork
    predicted_accuracy: float
    near: tuple[SubNetwork, ...]


@dataclass(frozen=True, slots=True)
class Contest:
    """Everything that is compared.

    Attributes:
        cases: by budget.
        random: networks of the whole space.
        uniform: networks scaled by hand.
    """

    cases: tuple[Case, ...]
    random: tuple[SubNetwork, ...]
    uniform: tuple[SubNetwork, ...]

    @property
    def subnetworks(self) -> tuple[SubNetwork, ...]:
        """All there are, each once."""
        near = [subnetwork for case in self.cases for subnetwork in case.near]
        specialised = [case.specialised for case in self.cases]
        return tuple(dict.fromkeys((*specialised, *self.random, *near, *self.uniform)))

    def rivals(self, case: Case) -> Mapping[str, tuple[SubNetwork, ...]]:
        """Return what a case's specialised network is compared with, by kind."""
        return {RANDOM: self.random, RANDOM_NEAR: case.near, UNIFORM: self.uniform}

    def comparable(self, latencies: Mapping[SubNetwork, Latency]) -> tuple[SubNetwork, ...]:
        """Return the specialised networks, and those that are as fast as one they may meet."""
        wanted = {case.specialised: None for case in self.cases}
        for case in self.cases:
            for rivals in self.rivals(case).values():
                wanted |= dict.fromkeys(as_fast(rivals, latencies, case.specialised))
        return tuple(wanted)


def as_fast(
    rivals: Sequence[SubNetwork], latencies: Mapping[SubNetwork, Latency], than: SubNetwork
) -> list[SubNetwork]:
    """Keep the networks whose measured latency is at most that of another, within TOLERANCE."""
    limit_ms = (1 + TOLERANCE) * latencies[than][0]
    return [rival for rival in rivals if rival in latencies and latencies[rival][0] <= limit_ms]


def most_accurate(
    rivals: Sequence[SubNetwork],
    latencies: Mapping[SubNetwork, Latency],
    answers: Mapping[SubNetwork, Flags],
) -> SubNetwork | None:
    """Choose the network with most right answers, the faster of two equals; None of none."""
    return max(rivals, key=lambda one: (answers[one].sum(), -latencies[one][0]), default=None)


def geometric_budgets(low_ms: float, high_ms: float, count: int) -> list[float]:
    """Divide a range into equal ratios and return the middle of each, in milliseconds."""
    return [low_ms * (high_ms / low_ms) ** ((index + 0.5) / count) for index in range(count)]


def uniform_networks(space: SearchSpace) -> tuple[SubNetwork, ...]:
    """List the networks with one choice and one depth throughout, at every resolution.

    Raises:
        FormatError: stages differ in what they offer.
    """
    stage, networks = space.stages[0], []
    for context in range(len(space.contexts)):
        for depth in range(required_slots(stage), len(stage) + 1):
            for choice in range(1, len(stage[0].choices) + 1):
                filled = [choice] * depth + [ABSENT] * (len(stage) - depth)
                networks.append((context, *filled * len(space.stages)))
                space.check(networks[-1])
    return tuple(networks)


def random_networks(
    space: SearchSpace, count: int, rng: np.random.Generator
) -> tuple[SubNetwork, ...]:
    """Draw sub-networks from the whole space."""
    return tuple(tuple(row) for row in space.random(count, rng).tolist())


def networks_near(
    space: SearchSpace, cost: CostTensor, budget_ms: float, count: int, rng: np.random.Generator
) -> tuple[SubNetwork, ...]:
    """Draw different sub-networks that cost 85 to 100 % of a budget, by rejecting the others.

    Returns:
        ``count``, or fewer where 20 million draws hold no more.
    """
    found: dict[SubNetwork, None] = {}
    for _ in range(_DRAWS):
        drawn = space.random(_DRAWN_AT_ONCE, rng)
        costs_ms = cost.evaluate(drawn)
        near = drawn[(costs_ms >= NEAR * budget_ms) & (costs_ms <= budget_ms)]
        found |= dict.fromkeys(tuple(row) for row in near.tolist())
        if len(found) >= count:
            break
    return tuple(found)[:count]


def enter(specializer: Specializer, budgets: int, count: int, seed: int) -> Contest:
    """Search for the specialised networks, and draw the others.

    Budgets lie between the fastest network and the one that the predictor holds to be the best of
    all: any more would buy nothing.
    """
    space, bound = specializer.spec.space, specializer.latency_bound
    ends = np.array([fastest(space, bound), space.largest], np.int16)
    fastest_ms, largest_ms = bound.evaluate(ends).tolist()
    best_ms = specializer.search(largest_ms, seed).latency_ms
    rng, cases = np.random.default_rng(seed), []
    random = random_networks(space, count, rng)
    for budget_ms in geometric_budgets(fastest_ms, best_ms, budgets):
        found = specializer.search(budget_ms, seed)
        near = networks_near(space, bound, budget_ms, count, rng)
        if len(near) < count:
            note(f"only {len(near)} of {count} random networks near {budget_ms:.2f} ms were found")
        cases.append(Case(budget_ms, found.subnetwork, found.accuracy, near))
    return Contest(tuple(cases), random, uniform_networks(space))


def fill_table(arguments: argparse.Namespace, name: str, plan: Plan) -> LatencyTable:
    """Measure on this host whatever of a plan the store does not hold yet."""
    device, rng = find_device("local"), np.random.default_rng(arguments.seed)
    for warning in device.health().warnings:
        note(f"this host is not quiet, timings may be off: {warning}")
    with Store.open(arguments.store) as store, progress_bar() as bar:
        task = bar.add_task(name, total=plan.windows)

        def show(done: Progress) -> None:
            bar.update(task, completed=done.windows + done.failures)

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


@dataclass(frozen=True, slots=True)
class Photos:
    """The images of a run.

    Attributes:
        calibration: from the training split, to recalibrate with.
        judged: from the validation split.
    """

    calibration: ImageFolder
    judged: ImageFolder

    @classmethod
    def find(cls, root: Path, labels: Sequence[str], images: int | None, seed: int) -> Photos:
        """Choose photos at random, of the validation split ``images`` or all.

        Raises:
            DatasetError: a folder is missing, or has other classes than the supernet.
        """
        trained, judged = (ImageFolder.scan(root / part, labels) for part in ("train", "val"))
        rng = np.random.default_rng(seed)
        # In random order: batches of one class would give statistics of that class.
        calibration = trained.subset(rng.permutation(len(trained))[:CALIBRATION_IMAGES].tolist())
        if images is not None:
            judged = judged.subset(rng.permutation(len(judged))[:images].tolist())
        return cls(calibration, judged)


class Answers:
    """A journal: which images each network got right; JSON Lines, one for each network.

    Attributes:
        known: by the text of a sub-network, (images,).

    Raises:
        CheckpointError: the file is no such journal.
    """

    def __init__(self, path: Path, images: int) -> None:
        self._path, self.known = path, dict[str, Flags]()
        if not path.exists():
            return
        # The last line may be torn, when the writer was killed.
        whole, newline, _ = path.read_text().rpartition("\n")
        try:
            for row in map(json.loads, whole.splitlines()):
                packed = np.frombuffer(bytes.fromhex(row["right"]), np.uint8)
                self.known[row["subnetwork"]] = np.unpackbits(packed, count=images).astype(bool)
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{path} is no journal of answers; remove it") from error
        path.write_text(whole + newline)

    def add(self, subnetwork: str, right: Flags) -> None:
        """Write down what a network got right."""
        self.known[subnetwork] = right
        row = {"subnetwork": subnetwork, "right": np.packbits(right).tobytes().hex()}
        with self._path.open("a") as lines:
            lines.write(json.dumps(row) + "\n")


def right_answers(network: Network, images: LabelledPixels) -> Flags:
    """Tell of each image whether a network, as it is deployed, gets it right: (images,)."""
    graph = network.deployed()
    weights, norm, right = graph_tensors(graph), RunningNorm(0.0), []
    with torch.inference_mode():
        for pixels, labels in zip(
            images.pixels.split(_BATCH), images.labels.split(_BATCH), strict=True
        ):
            logits = run_graph(graph, weights, normalise_pixels(pixels), norm)
            right.append((logits.argmax(1) == labels).numpy())
    return np.concatenate(right)


def answer(
    specializer: Specializer, photos: Photos, subnetworks: Sequence[SubNetwork], journals: Path
) -> dict[SubNetwork, Flags]:
    """Recalibrate networks and put the photos to them, on all cores, or read it in the journal.

    Args:
        specializer: whose supernet has the weights.
        photos: to recalibrate with, and to answer.
        subnetworks: to be evaluated.
        journals: the journal's path, but for what tells weights and photos apart.
    """
    evaluator = Evaluator(specializer.family, photos.calibration, photos.judged)
    digest = hashlib.sha256(repr(evaluator.subject).encode()).hexdigest()
    path = journals.with_name(f"{journals.name}-{digest[:8]}.jsonl")
    journal, space = Answers(path, len(photos.judged)), specializer.spec.space
    waiting = [one for one in subnetworks if space.text(one) not in journal.known]
    with progress_bar() as bar:
        task = bar.add_task("accuracy", total=len(waiting))
        for context, group in groupby(sorted(waiting), lambda subnetwork: subnetwork[0]):
            images = decode(photos.judged, specializer.spec.resolutions[context])
            for subnetwork, right in _answer_at(evaluator, images, list(group)):
                journal.add(space.text(subnetwork), right)
                bar.advance(task)
    return {one: journal.known[space.text(one)] for one in subnetworks}


def _answer_at(
    evaluator: Evaluator, images: LabelledPixels, subnetworks: Sequence[SubNetwork]
) -> Iterator[tuple[SubNetwork, Flags]]:
    """Evaluate networks of one resolution, and yield each as soon as it is done."""

    def job(subnetwork: SubNetwork) -> tuple[SubNetwork, Flags]:
        return subnetwork, right_answers(evaluator.network(subnetwork), images)

    with _workers() as pool:
        for done in as_completed([pool.submit(job, subnetwork) for subnetwork in subnetworks]):
            yield done.result()


@contextmanager
def _workers() -> Iterator[ThreadPoolExecutor]:
    """Give one thread per core, each with its own torch; what waits at the end is dropped."""
    one_each = partial(torch.set_num_threads, 1)
    pool = ThreadPoolExecutor(os.cpu_count(), initializer=one_each)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass(frozen=True, slots=True)
class Entrant:
    """One network as it turned out.

    Attributes:
        kind: ``specialised`` or one of KINDS.
        network: text of the sub-network.
        predicted_ms: latency by the table.
        measured_ms: median over processes.
        low_ms: lower end of its 95 % interval.
        high_ms: upper end of it.
        accuracy: measured top-1, 0–1; None where it is too slow to be compared.
        standard_error: of the accuracy.
    """

    kind: str
    network: str
    predicted_ms: float
    measured_ms: float
    low_ms: float
    high_ms: float
    accuracy: float | None
    standard_error: float | None


@dataclass(frozen=True, slots=True)
class Duel:
    """A specialised network against the best of one kind.

    Attributes:
        kind: one of KINDS.
        drawn: networks of that kind that were timed.
        as_fast: those of them that are as fast as the specialised network.
        best: the most accurate of these, if there are any.
        difference: by which the specialised network is more accurate.
    """

    kind: str
    drawn: int
    as_fast: int
    best: Entrant | None
    difference: Difference | None


@dataclass(frozen=True, slots=True)
class Round:
    """What came out at one budget."""

    budget_ms: float
    predicted_accuracy: float
    specialised: Entrant
    duels: tuple[Duel, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out.

    Attributes:
        supernet: name.
        condition: that everything was measured under.
        runtime_version: as the runtime says.
        images: of the validation split.
        margin: half-width of predicted intervals, relative to the prediction.
        rounds: by budget.
        entrants: all networks that were timed.
    """

    supernet: str
    condition: str
    runtime_version: str
    images: int
    margin: float
    rounds: tuple[Round, ...]
    entrants: tuple[Entrant, ...]
    caveat: str = CAVEAT


def judge(
    specializer: Specializer,
    contest: Contest,
    latencies: Mapping[SubNetwork, Latency],
    answers: Mapping[SubNetwork, Flags],
) -> Outcome:
    """Compare at each budget what was measured."""

    def entrant(kind: str, subnetwork: SubNetwork) -> Entrant:
        text, right = specializer.spec.space.text(subnetwork), answers.get(subnetwork)
        predicted_ms = specializer.latency_ms(subnetwork)
        if right is None:
            return Entrant(kind, text, predicted_ms, *latencies[subnetwork], None, None)
        share = float(right.mean())
        error = math.sqrt(share * (1 - share) / len(right))
        return Entrant(kind, text, predicted_ms, *latencies[subnetwork], share, error)

    def duel(case: Case, kind: str, rivals: Sequence[SubNetwork]) -> Duel:
        fair = as_fast(rivals, latencies, case.specialised)
        best = most_accurate(fair, latencies, answers)
        timed = sum(rival in latencies for rival in rivals)
        if best is None:
            return Duel(kind, timed, 0, None, None)
        difference = Difference.of(answers[case.specialised], answers[best])
        return Duel(kind, timed, len(fair), entrant(kind, best), difference)

    rounds = tuple(
        Round(
            case.budget_ms,
            case.predicted_accuracy,
            entrant("specialised", case.specialised),
            tuple(duel(case, kind, rivals) for kind, rivals in contest.rivals(case).items()),
        )
        for case in contest.cases
    )
    kinds = [
        *((RANDOM, one) for one in contest.random),
        *((RANDOM_NEAR, one) for case in contest.cases for one in case.near),
        *((UNIFORM, one) for one in contest.uniform),
    ]
    others = (entrant(kind, one) for kind, one in kinds if one in latencies)
    return Outcome(
        supernet=specializer.called,
        condition=str(specializer.table.provenance.condition),
        runtime_version=specializer.table.provenance.runtime_version,
        images=len(answers[contest.cases[0].specialised]),
        margin=specializer.table.calibration.margin,
        rounds=rounds,
        entrants=(*(one.specialised for one in rounds), *others),
    )


def run(arguments: argparse.Namespace) -> Outcome:
    """Measure whatever the store and the journal do not hold yet, and compare."""
    # Folders of the wrong names are found before minutes are spent.
    labels = load_supernet(find_supernet(arguments.supernet).weights).labels
    photos = Photos.find(arguments.data, labels, arguments.images, arguments.seed)
    spec = find_spec(arguments.supernet)
    calibration = calibration_networks(spec, CALIBRATION_NETWORKS)
    plan = make_plan(reachable_operators(spec), calibration, PROFILE_PASSES)
    table = fill_table(arguments, arguments.table, plan)
    specializer = Specializer.open(arguments.supernet, table)
    contest = enter(specializer, arguments.budgets, arguments.random, arguments.seed)
    note(f"{len(contest.subnetworks)} networks to be timed")
    latencies = time_contest(arguments, spec, contest)
    comparable = contest.comparable(latencies)
    note(f"{len(comparable)} of them to be evaluated, on {len(photos.judged)} photos each")
    answers = answer(specializer, photos, comparable, Path(arguments.store).with_suffix(""))
    return judge(specializer, contest, latencies, answers)


def show(outcome: Outcome) -> None:
    """Print an outcome for people."""
    facts: dict[str, object] = {
        "accuracy": f"top-1 on {outcome.images} validation photos",
        "networks": f"{len(outcome.entrants)} timed, "
        f"{sum(one.accuracy is not None for one in outcome.entrants)} evaluated",
        "budgets": f"hold for the prediction + {outcome.margin:.1%}",
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
                f"{one.predicted_accuracy:.1%}",
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
    return f"{one.accuracy:.2%} ± {_Z * one.standard_error:.2%}"


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
        [100 * _Z * (one.standard_error or 0) for one in front],
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
    summary, _, details = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=details, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with train/ and val/")
    parser.add_argument("--supernet", default=DEFAULT_SUPERNET, help="name, or file of weights")
    parser.add_argument("--runtime", default="litert", choices=sorted(RUNTIMES), help="(litert)")
    parser.add_argument("--store", type=Path, default=STORE, help="file for measurements")
    parser.add_argument("--table", help="of this host's latencies in it (local-RUNTIME)")
    parser.add_argument("--random", type=int, default=50, help="random networks of a kind (50)")
    parser.add_argument("--budgets", type=int, default=5, help="how many (5)")
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
