"""The kinds of accuracy predictors by name, and the best of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...tables.errors import UnknownNameError
from ..space import Population, SearchSpace
from .bagging import train_ensemble
from .comparing import train_comparator
from .denoise import Floats
from .fit import Fit, Train, fit
from .likelihood import train_gaussian_process
from .predictor import StoredPredictor
from .quality import Quality
from .ridge import train_ridge

MODELS: Mapping[str, Train[StoredPredictor]] = {
    "gp": train_gaussian_process,
    "mlp": train_ensemble,
    "comparator": train_comparator,
    "ridge": train_ridge,
}
DEFAULT_MODEL = "ridge"
"""The best on photos that it was not fitted to, and the only one whose optimum can be proven.

Where all networks are judged on the same thousand photos, cross-validation favours models that
learn what is special about these photos: docs/benchmarks.md, Accuracy predictors.
"""

BEST_MODEL = "best"
"""Whichever cross-validation finds best."""


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """A model, fitted.

    Attributes:
        model: its name.
        fit: of it.
        compared: how each model that was tried did on networks that it had not seen, by name; the
            chosen one alone where it was named.
    """

    model: str
    fit: Fit[StoredPredictor]
    compared: Mapping[str, Quality]


def find_model(name: str) -> Train[StoredPredictor]:
    """Return what trains a model; UnknownNameError where there is none of that name."""
    if name not in MODELS:
        raise UnknownNameError("accuracy model", name, (*MODELS, BEST_MODEL))
    return MODELS[name]


def fit_model(
    name: str,
    space: SearchSpace,
    population: Population,
    accuracies: Floats,
    seed: int,
    judged: NDArray[np.bool_],
    targets: Floats,
) -> Chosen:
    """Fit the model of a name, or each of them to keep the one of the highest held-out Kendall τ.

    All are given the same deal of folds. That the best of several was lucky, too, makes its own
    figures flatter it a little; they are those of one choice among a handful.

    Args:
        name: of ``MODELS``, or ``BEST_MODEL``.
        space: of the networks.
        population: different networks: (n, 1 + slots).
        accuracies: top-1 as fractions: (n,).
        seed: of the deal, and of training.
        judged: whether a network counts in the figures: (n,).
        targets: what is learnt: (n,).

    Raises:
        UnknownNameError: there is no such model.
        FormatError: the networks teach nothing.
    """
    tried = list(MODELS) if name == BEST_MODEL else [name]
    fits = {
        one: fit(
            find_model(one),
            space,
            population,
            accuracies,
            np.random.default_rng(seed),
            judged=judged,
            targets=targets,
        )
        for one in tried
    }
    best = max(fits, key=lambda one: fits[one].kendall_tau)
    count = int(judged.sum())
    compared = {
        one: Quality(count, found.kendall_tau, found.mean_absolute_error)
        for one, found in fits.items()
    }
    return Chosen(best, fits[best], compared)
