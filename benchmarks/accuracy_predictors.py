"""Accuracy predictors against published ImageNet accuracies of sub-networks.

    python benchmarks/accuracy_predictors.py                       # SARTOR_DATA/accuracy
    python benchmarks/accuracy_predictors.py --plot predictors.png --json

Each model of ``sartor evaluate --model`` is trained on a few networks drawn by chance, and judged
on those of the same resolution that were not drawn; figures are medians over several draws, which
all models share. Kendall's τ counts pairs of networks that were judged on the same images (see
``measured_accuracies``); what it is where all pairs count, and nobody knows which were judged on
what, stands beside it. The official predictor, which was fitted to the supernet of width 1.2, is
asked about the same held-out networks at the resolutions that it learnt.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sartor.benchmarks.measured_accuracies import RESOLUTIONS, SPEC, Measured, read_measured
from sartor.benchmarks.ranking import tau_within
from sartor.specializer.accuracy.fit import FOLDS, kendall_tau
from sartor.specializer.accuracy.level import series_offsets
from sartor.specializer.accuracy.models import MODELS, find_model
from sartor.specializer.accuracy.official import RESOLUTIONS as OFFICIAL_RESOLUTIONS
from sartor.specializer.accuracy.official import load_official
from sartor.specializer.accuracy.predictor import AccuracyPredictor
from sartor.specializer.cli.output import note, print_json, print_table, progress_bar
from sartor.specializer.space import Population
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.tables import SartorError
from sartor.tables.atomic import write_atomically

COUNTS = 25, 50, 100, 200, 400
USUAL = 200
LEAST_HELD_OUT = 30
OFFICIAL = "official"

Floats = NDArray[np.float64]
_Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Result:
    """How a model did at one resolution, as medians over draws.

    Attributes:
        model: its name.
        resolution: of the networks, in pixels.
        networks: that it was trained on; 0 for the official predictor.
        held_out: that it was judged on.
        kendall_tau: over pairs that were judged on the same images.
        lowest_tau: of the draws.
        tau_all_pairs: over all pairs, those included that were not.
        mean_absolute_error: as a fraction, the ease of images taken off.
    """

    model: str
    resolution: int
    networks: int
    held_out: int
    kendall_tau: float
    lowest_tau: float
    tau_all_pairs: float
    mean_absolute_error: float


def levelled_by(offsets: Mapping[str, float], part: Measured) -> Floats:
    """Return accuracies with the ease of their images taken off, as training networks tell it."""
    level: Floats = part.top1 - np.array([offsets[label] for label in part.series.tolist()])
    return level


def judge(predicted: NDArray[np.float32], part: Measured, level: Floats) -> tuple[float, ...]:
    """Return τ within series, τ over all pairs, and the mean absolute error."""
    error = float(np.abs(predicted - level).mean())
    told = predicted.astype(np.float64)
    return (
        tau_within(told, part.top1, part.series),
        kendall_tau(told, part.top1),
        error,
    )


@dataclass(frozen=True, slots=True)
class Draw:
    """Networks of one resolution, parted by chance.

    Attributes:
        learnt: to be trained on.
        held_out: to be judged on.
        offsets: ease of each series' images, as the networks in ``learnt`` tell it.
    """

    learnt: Measured
    held_out: Measured
    offsets: Mapping[str, float]

    @classmethod
    def of(cls, here: Measured, networks: int, seed: int) -> Draw:
        """Part networks; smaller draws of a seed are parts of its larger ones."""
        order = np.random.default_rng(seed).permutation(len(here.top1))
        learnt, held_out = here.part(order[:networks]), here.part(order[networks:])
        known = dict.fromkeys(here.series.tolist(), 0.0)
        series = learnt.series.tolist()
        offsets = series_offsets(SPEC.space, learnt.population, learnt.top1, series)
        return cls(learnt, held_out, known | offsets)

    def train(self, model: str, seed: int) -> AccuracyPredictor:
        """Train a model."""
        wanted = levelled_by(self.offsets, self.learnt)
        fold: NDArray[np.intp] = np.arange(len(wanted)) % FOLDS
        rng = np.random.default_rng(seed)
        return find_model(model)(SPEC.space, self.learnt.population, wanted, fold, rng)

    def judge(self, predictor: AccuracyPredictor) -> tuple[float, ...]:
        """Judge a predictor on the held-out networks."""
        predicted = predictor.predict(self.held_out.population)
        return judge(predicted, self.held_out, levelled_by(self.offsets, self.held_out))


@dataclass(frozen=True, slots=True)
class Official:
    """The official predictor, asked about networks of ``SPEC`` at the resolutions it knows."""

    predictor: AccuracyPredictor
    resolutions: tuple[int, ...]

    @classmethod
    def load(cls, path: Path) -> Official:
        """Read it; CheckpointError where it cannot be."""
        known = tuple(size for size in RESOLUTIONS if size in OFFICIAL_RESOLUTIONS)
        return cls(load_official(path, MobileNetV3(SPEC.width, resolutions=known)), known)

    def predict(self, population: Population) -> NDArray[np.float32]:
        """Return what it says of networks: (n,)."""
        asked = population.copy()
        asked[:, 0] -= len(RESOLUTIONS) - len(self.resolutions)
        return self.predictor.predict(asked)


def compare(
    data: Measured,
    models: Sequence[str],
    counts: Sequence[int],
    draws: int,
    official: Official | None,
    report: _Report = lambda _: None,
) -> list[Result]:
    """Train and judge every model on every resolution."""
    results = []
    for resolution in RESOLUTIONS:
        here = data.at(resolution)
        sizes = [count for count in counts if len(here.top1) - count >= LEAST_HELD_OUT]
        for count in sizes:
            found: dict[str, list[tuple[float, ...]]] = {model: [] for model in models}
            for seed in range(draws):
                draw = Draw.of(here, count, seed)
                for model in models:
                    found[model].append(draw.judge(draw.train(model, seed)))
                    report(f"{resolution} pixels, {count} networks, {model}")
                if official and resolution in official.resolutions and count == USUAL:
                    found.setdefault(OFFICIAL, []).append(draw.judge(official))
            results += [
                _median(model, resolution, 0 if model == OFFICIAL else count, len(here.top1), rows)
                for model, rows in found.items()
            ]
    return results


def _median(
    model: str, resolution: int, networks: int, all_: int, rows: list[tuple[float, ...]]
) -> Result:
    taus, all_pairs, errors = np.array(rows).T
    return Result(
        model,
        resolution,
        networks,
        all_ - (networks or USUAL),
        float(np.median(taus)),
        float(taus.min()),
        float(np.median(all_pairs)),
        float(np.median(errors)),
    )


def plot_png(results: Sequence[Result]) -> bytes:
    """Draw τ against the number of training networks, a panel for each resolution."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.6), layout="constrained")
    axes = figure.subplots(1, len(RESOLUTIONS))
    for axis, resolution in zip(axes, RESOLUTIONS, strict=True):
        here = [result for result in results if result.resolution == resolution]
        for model in dict.fromkeys(result.model for result in here):
            points = [(r.networks, r.kendall_tau) for r in here if r.model == model]
            if model == OFFICIAL:
                axis.axhline(points[0][1], color="0.5", linestyle="--", label=model)
            else:
                axis.plot(*zip(*points, strict=True), "o-", label=model)
        axis.set(title=f"{resolution} pixels", xlabel="training networks", xscale="log")
        axis.set_xticks(COUNTS, [str(count) for count in COUNTS], minor=False)
        axis.minorticks_off()
        axis.grid(visible=True, alpha=0.3)
    axes[0].set_ylabel("Kendall's τ, held out")
    axes[-1].legend(fontsize=8)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    return content.getvalue()


def main() -> int:
    """Run the benchmark."""
    arguments = _arguments()
    try:
        results = _run(arguments)
        if arguments.plot:
            write_atomically(arguments.plot, plot_png(results))
            note(f"wrote {arguments.plot}")
    except SartorError as error:
        note(f"error: {error}")
        return 1
    if arguments.json:
        print_json([asdict(result) for result in results])
    else:
        _print(results)
    return 0


def _run(arguments: argparse.Namespace) -> list[Result]:
    data = read_measured(arguments.data)
    official = Official.load(arguments.official) if arguments.official.is_file() else None
    total = sum(
        arguments.draws * len(arguments.model)
        for resolution in RESOLUTIONS
        for count in arguments.counts
        if len(data.at(resolution).top1) - count >= LEAST_HELD_OUT
    )
    with progress_bar() as bar:
        task = bar.add_task("train", total=total)
        return compare(
            data,
            arguments.model,
            arguments.counts,
            arguments.draws,
            official,
            lambda text: bar.update(task, advance=1, description=text),
        )


def _print(results: Sequence[Result]) -> None:
    usual = [result for result in results if result.networks in (USUAL, 0)]
    print_table(
        f"Trained on {USUAL} networks, judged on others of the same resolution",
        ("pixels", "model", "held out", "tau", "lowest", "tau, all pairs", "error, points"),
        (
            (
                result.resolution,
                result.model,
                result.held_out,
                f"{result.kendall_tau:.3f}",
                f"{result.lowest_tau:.3f}",
                f"{result.tau_all_pairs:.3f}",
                f"{100 * result.mean_absolute_error:.2f}",
            )
            for result in usual
        ),
    )
    trained = [result for result in results if result.networks]
    counts = sorted({result.networks for result in trained})
    cells = {(r.resolution, r.model, r.networks): f"{r.kendall_tau:.3f}" for r in trained}
    rows = dict.fromkeys((result.resolution, result.model) for result in trained)
    print_table(
        "Kendall's tau by the number of training networks",
        ("pixels", "model", *map(str, counts)),
        ((*row, *(cells.get((*row, count), "-") for count in counts)) for row in rows),
    )


def _arguments() -> argparse.Namespace:
    folder = Path(os.environ.get("SARTOR_DATA", "."))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=folder / "accuracy", help="folder of files")
    parser.add_argument(
        "--official",
        type=Path,
        default=folder / "ofa" / "acc_predictor.pth",
        help="the official predictor; left out where the file is not there",
    )
    parser.add_argument("--model", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--counts", nargs="+", type=int, default=list(COUNTS))
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--plot", type=Path, help="PNG file to draw into")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    if min(arguments.counts) < 4 * FOLDS or arguments.draws < 1:
        parser.error(f"want --counts of at least {4 * FOLDS} and --draws of at least 1")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
