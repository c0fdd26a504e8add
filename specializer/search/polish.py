"""Climbing from a good network to one that no small change improves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..cost import CostTensor
from ..space import Population, SearchSpace, SubNetwork
from .archive import Archive

_PAIRS = 256
"""Pairs of changes that are tried at each step: those that promise most."""


def polish(
    space: SearchSpace, cost: CostTensor, budget_ms: float, archive: Archive, start: SubNetwork
) -> SubNetwork:
    """Improve a network by single changes and pairs of changes until none helps.

    Under a budget most improvements are exchanges: one choice gets cheaper so that another may get
    better. There are some 20,000 pairs, so each is first judged by the sums of its two parts, in
    cost and in accuracy, and only the most promising ones are built and scored.

    Args:
        space: to stay in.
        cost: of its networks, in milliseconds.
        budget_ms: what the cost may be at most.
        archive: scores the networks.
        start: meets the budget.

    Returns:
        A network that meets the budget, at least as accurate as ``start``.
    """
    current = np.array([start], np.int16)
    level = archive.score(current)[0]
    positions, values = _changes(space)
    while True:
        singles = _changed(space, current, positions[:, None], values[:, None])
        gains = archive.score(singles) - level
        extra = cost.evaluate(singles) - cost.evaluate(current)
        slack = budget_ms - float(cost.evaluate(current)[0])
        one, other = _promising_pairs(positions, gains, extra, slack)
        pairs = np.stack([one, other], axis=1)
        tried = np.concatenate([singles, _changed(space, current, positions[pairs], values[pairs])])
        tried = tried[cost.evaluate(tried) <= budget_ms]
        scores = archive.score(tried)
        if not len(scores) or scores.max() <= level:
            return tuple(current[0].tolist())
        level = scores.max()
        current = tried[[int(scores.argmax())]]


def _changes(space: SearchSpace) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """List every single change as the place of a gene and its new value: (n,), (n,)."""
    lowest, highest = space.gene_bounds
    changes = [
        (position, value)
        for position, (low, high) in enumerate(zip(lowest.tolist(), highest.tolist(), strict=True))
        for value in range(low, high + 1)
    ]
    positions, values = np.array(changes, np.intp).T
    return positions, values


def _changed(
    space: SearchSpace,
    current: Population,
    positions: NDArray[np.intp],
    values: NDArray[np.intp],
) -> Population:
    """Apply each row of (n, changes) to a copy of the current network."""
    genes = np.repeat(space.genes(current), len(positions), axis=0)
    np.put_along_axis(genes, positions, values.astype(np.int16), axis=1)
    return space.repair(space.networks(genes))


def _promising_pairs(
    positions: NDArray[np.intp],
    gains: NDArray[np.float64],
    extra: NDArray[np.float64],
    slack: float,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Choose pairs of changes in different positions that seem to fit and to gain most."""
    one, other = np.triu_indices(len(positions), 1)
    promise = gains[one] + gains[other]
    worthy = np.flatnonzero(
        (positions[one] != positions[other]) & (extra[one] + extra[other] <= slack) & (promise > 0)
    )
    best = worthy[np.argsort(-promise[worthy], kind="stable")[:_PAIRS]]
    return one[best], other[best]
