"""What came out: each specialised network against the best of each kind that is as fast."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sartor.benchmarks.contest import (
    RANDOM,
    RANDOM_NEAR,
    UNIFORM,
    Case,
    Contest,
    Latency,
    as_fast,
    most_accurate,
)
from sartor.benchmarks.paired import Difference, Flags
from sartor.specializer.accuracy.quality import Quality, quality
from sartor.specializer.aim import Aim
from sartor.specializer.space import SubNetwork
from sartor.specializer.specialize import Specializer

CAVEAT = (
    "The specialised networks were chosen by a predictor that knows held-out training photos, "
    "never by the validation split; the others are the best of many by the accuracy shown, which "
    "flatters them. Differences are paired, over the same photos, with 95 % intervals."
)


@dataclass(frozen=True, slots=True)
class Entrant:
    """One network as it turned out.

    Attributes:
        kind: ``specialised`` or one of KINDS.
        network: text of the sub-network.
        predicted_ms: latency by the table.
        predicted_accuracy: top-1 by the accuracy predictor, 0–1.
        measured_ms: median over processes.
        low_ms: lower end of its 95 % interval.
        high_ms: upper end of it.
        accuracy: measured top-1, 0–1; None where it is too slow to be compared.
        standard_error: of the accuracy.
    """

    kind: str
    network: str
    predicted_ms: float
    predicted_accuracy: float
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
    """What came out at one budget.

    Attributes:
        budget_ms: that the upper end of the predicted interval had to meet.
        bound_ms: that upper end.
        specialised: the network that was found.
        duels: against the others.
    """

    budget_ms: float
    bound_ms: float
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
        margin: how far predicted intervals reach upwards as a rule, relative to the prediction.
        rounds: by budget.
        entrants: all networks that were timed.
        predictor: how well the accuracy predictor knows the random ones that were evaluated; None
            where there are none.
    """

    supernet: str
    condition: str
    runtime_version: str
    images: int
    margin: float
    rounds: tuple[Round, ...]
    entrants: tuple[Entrant, ...]
    predictor: Quality | None
    caveat: str = CAVEAT


def judge(
    specializer: Specializer,
    aim: Aim,
    contest: Contest,
    latencies: Mapping[SubNetwork, Latency],
    answers: Mapping[SubNetwork, Flags],
) -> Outcome:
    """Compare at each budget what was measured."""

    def entrant(kind: str, subnetwork: SubNetwork) -> Entrant:
        text, right = specializer.spec.space.text(subnetwork), answers.get(subnetwork)
        predicted = (
            aim.latency_ms(subnetwork),
            float(specializer.predictor.predict(np.array([subnetwork], np.int16))[0]),
        )
        if right is None:
            return Entrant(kind, text, *predicted, *latencies[subnetwork], None, None)
        share = float(right.mean())
        error = math.sqrt(share * (1 - share) / len(right))
        return Entrant(kind, text, *predicted, *latencies[subnetwork], share, error)

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
            aim.bound_ms(case.specialised),
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
    others = [entrant(kind, one) for kind, one in kinds if one in latencies]
    return Outcome(
        supernet=specializer.called,
        condition=str(aim.table.provenance.condition),
        runtime_version=aim.table.provenance.runtime_version,
        images=len(answers[contest.cases[0].specialised]),
        margin=aim.predicted.estimator.calibration.margin,
        rounds=rounds,
        entrants=(*(one.specialised for one in rounds), *others),
        predictor=_quality([one for one in others if one.kind != UNIFORM]),
    )


def _quality(entrants: Sequence[Entrant]) -> Quality | None:
    """Compare predicted and measured accuracies, each network once."""
    pairs = {
        one.network: (one.predicted_accuracy, one.accuracy)
        for one in entrants
        if one.accuracy is not None
    }
    return quality(*np.array(list(pairs.values())).T) if pairs else None
