"""The report of ``sartor evaluate``: an accuracy predictor, and how far to trust it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ..tables.atomic import write_atomically
from .accuracy.fit import Fit, Floats, fit_ridge
from .accuracy.quality import Quality, learning_curve, quality_by_context
from .evaluation_table import read_evaluations
from .shipped import ACCURACY, find_supernet, part_of, shipped_supernets
from .space import Population, SearchSpace


@dataclass(frozen=True, slots=True, eq=False)
class PredictorReport:
    """A fitted predictor, and how it did on networks that it had not seen.

    Attributes:
        space: of the networks.
        population: the evaluated networks: (n, 1 + slots).
        measured: their top-1 as fractions: (n,).
        fit: of the predictor.
        by_context: held-out predictions within each context, by its label.
        curve: how they get better with more networks.
    """

    space: SearchSpace
    population: Population
    measured: Floats
    fit: Fit
    by_context: Mapping[str, Quality]
    curve: Sequence[Quality]

    def document(self) -> dict[str, object]:
        """Return everything as JSON has it; accuracies and errors are fractions."""
        return {
            "supernet": self.space.name,
            "networks": self.fit.networks,
            "top1_lowest": float(self.measured.min()),
            "top1_highest": float(self.measured.max()),
            "kendall_tau": self.fit.kendall_tau,
            "mean_absolute_error": self.fit.mean_absolute_error,
            "penalty": self.fit.penalty,
            "by_resolution": {label: asdict(found) for label, found in self.by_context.items()},
            "learning_curve": [asdict(found) for found in self.curve],
        }

    def save_plot(self, path: Path) -> Path | None:
        """Write the picture where matplotlib is installed; OutputError when it cannot be."""
        try:
            from .evaluation_plot import evaluation_png
        except ImportError:
            return None
        png = evaluation_png(self.space, self.population, self.measured, self.fit, self.curve)
        write_atomically(path, png)
        return path


def make_predictor_report(space: SearchSpace, table: Path, seed: int) -> PredictorReport:
    """Fit a predictor to a table of evaluations, and judge it.

    Raises:
        FormatError: the table cannot be read, or teaches nothing.
    """
    population, measured = read_evaluations(table, space)
    rng = np.random.default_rng(seed)
    fit = fit_ridge(space, population, measured, rng)
    by_context = quality_by_context(space, population, fit.held_out, measured)
    return PredictorReport(
        space,
        population,
        measured,
        fit,
        by_context,
        learning_curve(space, population, measured, rng),
    )


def predictor_path(supernet: str, table: Path) -> Path:
    """Return where a supernet's predictor belongs: beside its file, where searches look for it.

    That of a shipped supernet, which Sartor does not overwrite, goes beside the table.

    Raises:
        UnknownNameError: there is no such supernet.
    """
    weights = find_supernet(supernet).weights
    return part_of(table if supernet in shipped_supernets() else weights, ACCURACY)
