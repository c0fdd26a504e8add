"""The evaluations that an accuracy predictor learns from: random networks, then its favourites.

Fitted to random networks alone, a predictor overrates what a search finds: of all that it could
choose, the search takes what it is most wrong about. So it is asked for its favourites, these are
really evaluated, it learns from them, and is asked again.

Source: Lu et al., NSGANetV2, ECCV 2020, section 3.3 (the surrogate is refined online, near the
front, where it is asked).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..tables.kinds import multiply_adds
from .accuracy.fit import FOLDS, check_enough
from .accuracy.models import DEFAULT_MODEL, find_model
from .cost import compile_cost
from .evaluation_table import Evaluated, evaluations_of
from .evaluations import Evaluates, evaluate_all
from .extract import WeightSharing
from .search.favourites import favourites
from .space import SubNetwork

ROUNDS = 4


def survey(
    evaluator: Evaluates,
    supernet: WeightSharing,
    first: Sequence[SubNetwork],
    best: int,
    seed: int,
    journal: Path,
    report: Callable[[int], None] = lambda _: None,
    model: str = DEFAULT_MODEL,
) -> dict[SubNetwork, Evaluated]:
    """Evaluate some sub-networks, and then, in rounds, those that a predictor holds for best.

    Args:
        evaluator: of the supernet, in this process or in many.
        supernet: whose space names the sub-networks.
        first: what is evaluated in any case.
        best: how many favourites are evaluated, in all rounds together; their budgets are of
            multiply-adds.
        seed: of the searches.
        journal: as ``evaluate_all`` keeps it; with it a survey that was broken off goes on.
        report: told how many are done.
        model: the kind of the predictor, by name.

    Returns:
        The evaluations, in the order in which they were made; fewer favourites where the searches
        found no more.

    Raises:
        CheckpointError, DatasetError, OutputError: as ``evaluate_all``.
        FormatError: ``first`` is too little to learn from, and favourites are wanted.
        UnknownNameError: there is no such model.
    """
    train = find_model(model)
    if best:
        check_enough(len(first))
    scores = evaluate_all(evaluator, supernet, first, journal, report)
    found = {subnetwork: Evaluated(score) for subnetwork, score in scores.items()}
    if not best:
        return found
    space = supernet.spec.space
    cost = compile_cost(supernet.spec, multiply_adds)
    for number, part in enumerate(np.array_split(np.arange(best), ROUNDS), 1):
        rng = np.random.default_rng((seed, number))
        known = evaluations_of(found, evaluator.subject.judged_images)
        fold = rng.permutation(len(found)) % FOLDS
        predictor = train(space, known.population, known.targets, fold, rng)
        chosen = favourites(space, cost, predictor, len(part), rng, found)
        done = len(found)

        def told(of_these: int, before: int = done) -> None:
            report(before + of_these)

        scores = evaluate_all(evaluator, supernet, chosen, journal, told)
        found |= {subnetwork: Evaluated(score, number) for subnetwork, score in scores.items()}
    return found
