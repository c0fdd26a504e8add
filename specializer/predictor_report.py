"""The report on an accuracy predictor, and how far to trust it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ..tables.atomic import write_atomically
from .accuracy.fit import FOLDS, Fit, Train, check_enough
from .accuracy.models import DEFAULT_MODEL, find_model, fit_model
from .accuracy.predictor import StoredPredictor
from .accuracy.quality import Quality, learning_curve, quality_by_context
from .evaluation_table import Evaluations, read_evaluations
from .shipped import ACCURACY, find_supernet, part_of, shipped_supernets
from .space import SearchSpace


@dataclass(frozen=True, slots=True)
class Favourites:
    """What a predictor made of the networks that it held for the best.

    Attributes:
        round: in which they were its favourites.
        networks: how many.
        overrated: mean of predicted minus measured top-1, by the predictor that chose them, which
            did not know them, as a fraction.
        mean_top1: measured, as a fraction.
    """

    round: int
    networks: int
    overrated: float
    mean_top1: float


@dataclass(frozen=True, slots=True, eq=False)
class PredictorReport:
    """A fitted predictor, and how it did on networks that it had not seen.

    Attributes:
        space: of the networks.
        evaluations: of the networks.
        model: the kind of the predictor, by name.
        compared: how every kind that was tried did, by name.
        fit: of the predictor, to all networks; its figures are about those that were chosen by no
            predictor, as favourites are easier to predict: they are alike.
        by_context: held-out predictions of the same networks within each context, by its label.
        curve: how they get better with more networks.
        favourites: round by round.
    """

    space: SearchSpace
    evaluations: Evaluations
    model: str
    compared: Mapping[str, Quality]
    fit: Fit[StoredPredictor]
    by_context: Mapping[str, Quality]
    curve: Sequence[Quality]
    favourites: Sequence[Favourites]

    def document(self) -> dict[str, object]:
        """Return everything as JSON has it; accuracies and errors are fractions."""
        measured = self.evaluations.top1
        return {
            "supernet": self.space.name,
            "networks": self.fit.networks,
            "top1_lowest": float(measured.min()),
            "top1_highest": float(measured.max()),
            "kendall_tau": self.fit.kendall_tau,
            "mean_absolute_error": self.fit.mean_absolute_error,
            "model": self.model,
            "models": {name: asdict(found) for name, found in self.compared.items()},
            "by_resolution": {label: asdict(found) for label, found in self.by_context.items()},
            "learning_curve": [asdict(found) for found in self.curve],
            "favourites": [asdict(found) for found in self.favourites],
        }

    def save_plot(self, path: Path) -> Path | None:
        """Write the picture where matplotlib is installed; OutputError when it cannot be."""
        try:
            from .evaluation_plot import evaluation_png
        except ImportError:
            return None
        png = evaluation_png(self.space, self.evaluations, self.fit, self.curve)
        write_atomically(path, png)
        return path


def make_predictor_report(
    space: SearchSpace, table: Path, seed: int, model: str = DEFAULT_MODEL
) -> PredictorReport:
    """Fit a predictor to a table of evaluations, and judge it.

    Args:
        space: of the networks.
        table: CSV, as ``read_evaluations`` takes it.
        seed: of the folds of cross-validations, and of training.
        model: as ``fit_model`` takes it.

    Raises:
        FormatError: the table cannot be read, or teaches nothing.
        UnknownNameError: there is no such model.
    """
    evaluations = read_evaluations(table, space)
    free = evaluations.rounds == 0
    check_enough(int(free.sum()))
    population, measured = evaluations.population, evaluations.top1
    chosen = fit_model(model, space, population, measured, seed, free, evaluations.targets)
    train, held_out = find_model(chosen.model), chosen.fit.held_out
    by_chance, rng = evaluations.part(free), np.random.default_rng((seed, 1))
    population, measured = by_chance.population, by_chance.top1
    return PredictorReport(
        space,
        evaluations,
        chosen.model,
        chosen.compared,
        chosen.fit,
        quality_by_context(space, population, held_out[free], measured),
        learning_curve(train, space, population, measured, by_chance.targets, rng),
        _by_round(train, space, evaluations, rng),
    )


def _by_round(
    train: Train[StoredPredictor],
    space: SearchSpace,
    evaluations: Evaluations,
    rng: np.random.Generator,
) -> list[Favourites]:
    """Let what was known before each round predict it."""
    found = []
    for number in np.unique(evaluations.rounds[evaluations.rounds > 0]).tolist():
        before = evaluations.part(evaluations.rounds < number)
        chosen = evaluations.part(evaluations.rounds == number)
        fold = rng.permutation(len(before.top1)) % FOLDS
        predictor = train(space, before.population, before.targets, fold, rng)
        overrated = float((predictor.predict(chosen.population) - chosen.top1).mean())
        found.append(Favourites(number, len(chosen.top1), overrated, float(chosen.top1.mean())))
    return found


def predictor_path(supernet: str, table: Path) -> Path:
    """Return where a supernet's predictor belongs: beside its file, where searches look for it.

    That of a shipped supernet, which Sartor does not overwrite, goes beside the table.

    Raises:
        UnknownNameError: there is no such supernet.
    """
    weights = find_supernet(supernet).weights
    return part_of(table if supernet in shipped_supernets() else weights, ACCURACY)
