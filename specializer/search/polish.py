"""Climbing from a good network to one that no small change improves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..space import SubNetwork
from .archive import Archive
from .changes import changed, changes
from .problem import Problem

_PAIRS = 256
"""Pairs of changes that are tried at each step: those that promise most."""


def polish(problem: Problem, archive: Archive, start: SubNetwork) -> SubNetwork:
    """Improve a network by single changes and pairs of changes until none helps.

    Under a budget most improvements are exchanges: one choice gets cheaper so that another may get
    better. There are some 20,000 pairs, so each is first judged by the sums of its two parts, in
    costs and in accuracy, and only the most promising ones are built and scored.

    Args:
        problem: to stay within the limits of.
        archive: scores the networks.
        start: meets the limits.

    Returns:
        A network that meets the limits, at least as accurate as ``start``.
    """
    space = problem.space
    current = np.array([start], np.int16)
    level = archive.score(current)[0]
    positions, values = changes(space)
    most = np.array([limit.most for limit in problem.limits])
    while True:
        singles = changed(space, current, positions[:, None], values[:, None])
        gains = archive.score(singles) - level
        costs = problem.costs(current)
        extra = problem.costs(singles) - costs
        one, other = _promising_pairs(positions, gains, extra, most - costs[0])
        pairs = np.stack([one, other], axis=1)
        tried = np.concatenate([singles, changed(space, current, positions[pairs], values[pairs])])
        tried = tried[problem.meets(tried)]
        scores = archive.score(tried)
        if not len(scores) or scores.max() <= level:
            return tuple(current[0].tolist())
        level = scores.max()
        current = tried[[int(scores.argmax())]]


def _promising_pairs(
    positions: NDArray[np.intp],
    gains: NDArray[np.float64],
    extra: NDArray[np.float64],
    slack: NDArray[np.float64],
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Choose pairs of changes in different positions that seem to fit and to gain most.

    ``extra`` is what each change adds to each cost, (n, limits), ``slack`` what may be added.
    """
    one, other = np.triu_indices(len(positions), 1)
    promise = gains[one] + gains[other]
    hopeful = (positions[one] != positions[other]) & (promise > 0)
    for added, room in zip(extra.T, slack.tolist(), strict=True):
        hopeful &= added[one] + added[other] <= room
    worthy = np.flatnonzero(hopeful)
    best = worthy[np.argsort(-promise[worthy], kind="stable")[:_PAIRS]]
    return one[best], other[best]
