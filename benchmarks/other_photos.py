"""Which accuracy predictor ranks networks best on photos that none of them was fitted to?

    python benchmarks/specialization.py --data imagenette2-160     # makes the journal of answers
    python benchmarks/other_photos.py build/specialization-*.jsonl

All evaluations that a predictor is fitted to are of the same photos, held out of the training
split. Cross-validation leaves networks out, never photos: a model may learn what is special about
these photos, and the report flatters it. benchmarks/specialization.py keeps which photos of the
whole validation split each of some hundred networks got right; here every kind of predictor is
fitted to the evaluations that come with the shipped supernet, and compared with these.

Nothing is measured, so the machine may be busy.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sartor.benchmarks.answers import Answers
from sartor.benchmarks.arguments import documented_parser
from sartor.specializer.accuracy.fit import kendall_tau
from sartor.specializer.accuracy.models import MODELS
from sartor.specializer.accuracy.quality import Quality
from sartor.specializer.cli.options import DEFAULT_SUPERNET
from sartor.specializer.cli.output import print_json, print_table
from sartor.specializer.predictor_report import make_predictor_report
from sartor.specializer.shipped import find_spec
from sartor.specializer.space import ABSENT, Population
from sartor.tables import SartorError

EVALUATIONS = Path(__file__).resolve().parent.parent / "docs" / "supernet" / "evaluations.csv"
PHOTOS = 3925
"""Of Imagenette's validation split."""

BEST = 30

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one kind of predictor did.

    Attributes:
        model: its name.
        held_out: as cross-validation reports it, on the photos that it was fitted to.
        others: on the other photos, by which networks: all, random ones, uniformly scaled ones, and
            the best by what was counted.
    """

    model: str
    held_out: Quality
    others: Mapping[str, Quality]


def is_uniform(population: Population) -> NDArray[np.bool_]:
    """Tell which networks have the same choice in every slot that is filled: (n,)."""
    choices = population[:, 1:]
    first = choices[:, :1]
    return np.asarray(((choices == first) | (choices == ABSENT)).all(axis=1))


def compare(predicted: Floats, counted: Floats, population: Population) -> dict[str, Quality]:
    """Compare predictions with the top-1 that was counted, (n,) each, by groups of networks."""
    uniform, best = is_uniform(population), np.zeros(len(counted), bool)
    best[np.argsort(-counted, kind="stable")[:BEST]] = True
    groups = {"all": np.ones_like(best), "random": ~uniform, "uniform": uniform, "best": best}
    return {
        name: Quality(
            int(chosen.sum()),
            kendall_tau(predicted[chosen], counted[chosen]),
            float(np.abs(predicted - counted)[chosen].mean()),
        )
        for name, chosen in groups.items()
    }


def evaluate(supernet: str, evaluations: Path, answers: Path, photos: int) -> list[Outcome]:
    """Fit every kind of predictor, and compare each."""
    space = find_spec(supernet).space
    known = Answers(answers, photos).known
    population = np.array([space.parse(text) for text in known], np.int16)
    counted = np.array([right.mean() for right in known.values()])
    outcomes = []
    for model in MODELS:
        report = make_predictor_report(space, evaluations, 0, model)
        predicted = report.fit.predictor.predict(population).astype(np.float64)
        others = compare(predicted, counted, population)
        outcomes.append(Outcome(model, report.compared[model], others))
    return outcomes


def show(outcomes: list[Outcome]) -> None:
    """Print outcomes for people."""
    columns = {"held out, same photos": [one.held_out for one in outcomes]}
    for name, first in outcomes[0].others.items():
        columns[f"{name} {first.networks}"] = [one.others[name] for one in outcomes]
    print_table(
        "Kendall's tau and mean absolute error in points",
        ("model", *columns),
        (
            (
                one.model,
                *(
                    f"{q[row].kendall_tau:.3f}, {q[row].mean_absolute_error:.2%}"
                    for q in columns.values()
                ),
            )
            for row, one in enumerate(outcomes)
        ),
    )


def main() -> None:
    """Read the command line, compare, and print."""
    parser = documented_parser(__doc__)
    parser.add_argument("answers", type=Path, help="journal that benchmarks/specialization.py left")
    parser.add_argument("--photos", type=int, default=PHOTOS, help=f"that it is about ({PHOTOS})")
    parser.add_argument("--evaluations", type=Path, default=EVALUATIONS, help="CSV to fit to")
    parser.add_argument("--supernet", default=DEFAULT_SUPERNET, help="of both")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    arguments = parser.parse_args()
    if not arguments.answers.is_file():
        parser.error(f"there is no file {arguments.answers}; benchmarks/specialization.py makes it")
    try:
        outcomes = evaluate(
            arguments.supernet, arguments.evaluations, arguments.answers, arguments.photos
        )
    except SartorError as error:
        sys.exit(f"other_photos: {error}")
    if arguments.json:
        print_json([asdict(outcome) for outcome in outcomes])
    else:
        show(outcomes)


if __name__ == "__main__":
    main()
