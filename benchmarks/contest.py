"""Who takes part: the networks that the search finds, and those that they are compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sartor.benchmarks.paired import Flags
from sartor.specializer.aim import Aim
from sartor.specializer.cli.output import note
from sartor.specializer.cost import CostTensor
from sartor.specializer.space import ABSENT, SearchSpace, SubNetwork, required_slots
from sartor.specializer.specialize import Budget, Demand, Specializer

TOLERANCE = 0.02
"""Two latencies are equal when the second is at most this much longer, relatively."""
NEAR = 0.85
"""Share of a budget that random networks near it use at least."""
RANDOM, RANDOM_NEAR, UNIFORM = "random", "random near the budget", "uniformly scaled"
KINDS = (RANDOM, RANDOM_NEAR, UNIFORM)

_DRAWN_AT_ONCE = 200_000
_DRAWS = 100  # there are budgets that one random network in 200,000 comes near

Latency = tuple[float, float, float]
"""Measured median, and the ends of its 95 % interval, in milliseconds."""


@dataclass(frozen=True, slots=True)
class Case:
    """One budget, and the networks that are there because of it.

    Attributes:
        budget_ms: that the upper end of the predicted interval keeps to.
        specialised: what the search found.
        near: random networks that come near the budget.
    """

    budget_ms: float
    specialised: SubNetwork
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


def spread_budgets(specializer: Specializer, aim: Aim, count: int, seed: int) -> list[float]:
    """Choose budgets between the fastest network and the best one that the search can find.

    Any more would buy nothing.
    """
    largest_ms = aim.bound_ms(specializer.spec.space.largest)
    (best_ms,) = specializer.search(Demand((Budget(aim, largest_ms),)), seed).costs
    fastest_ms = aim.bound_ms(aim.fastest)
    return geometric_budgets(fastest_ms, best_ms, count)


def enter(
    specializer: Specializer, aim: Aim, budgets_ms: Sequence[float], count: int, seed: int
) -> Contest:
    """Search for the specialised networks, and draw the others.

    Raises:
        InfeasibleBudgetError: no network meets a budget.
    """
    space, bound = specializer.spec.space, aim.bound
    rng, cases = np.random.default_rng(seed), []
    random = random_networks(space, count, rng)
    for budget_ms in budgets_ms:
        found = specializer.search(Demand((Budget(aim, budget_ms),)), seed)
        near = networks_near(space, bound, budget_ms, count, rng)
        if len(near) < count:
            note(f"only {len(near)} of {count} random networks near {budget_ms:.2f} ms were found")
        cases.append(Case(budget_ms, found.subnetwork, near))
    return Contest(tuple(cases), random, uniform_networks(space))
