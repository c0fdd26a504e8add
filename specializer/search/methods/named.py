"""All methods by name, to choose among and to compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from ...space import SearchSpace, SubNetwork, required_slots
from ..problem import Problem
from .hierarchical import Hierarchical
from .hurdles import Hurdles
from .method import Method
from .random_search import RandomSearch
from .regularised import RegularisedEvolution
from .soft_objective import SoftObjective


def uniform_networks(space: SearchSpace) -> list[SubNetwork]:
    """List the networks that a person would try first: one choice and one depth throughout.

    A stage that is shorter, or a slot with fewer choices, takes the most that it has; so does an
    axis of the context, all of which but the resolution have one value.
    """
    deepest = max(map(len, space.stages))
    most = max(len(slot.choices) for slot in space.slots)
    networks = []
    for context in _uniform_contexts(space):
        for depth in range(1, deepest + 1):
            for choice in range(1, most + 1):
                row = [context]
                for stage in space.stages:
                    filled = min(max(depth, required_slots(stage)), len(stage))
                    row += [min(choice, len(slot.choices)) for slot in stage[:filled]]
                    row += [0] * (len(stage) - filled)
                networks.append(tuple(row))
    return list(dict.fromkeys(networks))


def _uniform_contexts(space: SearchSpace) -> list[int]:
    first, *others = space.axis_counts
    places = [
        [place, *(min(value, count - 1) for count in others)]
        for place in range(first)
        for value in range(max(others, default=1))
    ]
    rows = np.zeros((len(places), len(places[0]) + len(space.slots)), np.int16)
    rows[:, : len(places[0])] = places
    return [int(context) for context in space.networks(rows)[:, 0]]


def _seeded(method: Callable[..., Method], problem: Problem) -> Method:
    return method(problem, known=uniform_networks(problem.space))


METHODS: Mapping[str, Callable[[Problem], Method]] = {
    "random": RandomSearch,
    "regularised": RegularisedEvolution,
    "regularised-seeded": partial(_seeded, RegularisedEvolution),
    "soft-objective": SoftObjective,
    "hurdles": Hurdles,
    "hurdles-seeded": partial(_seeded, Hurdles),
    "hierarchical": Hierarchical,
}
