"""The optimum, proven, where accuracy and limits are sums over slots: branch and bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..space import ABSENT, SearchSpace, SubNetwork
from .problem import Limit, meets
from .relaxation import Floats, Layout, Relaxed, relaxed
from .sums import Sums, sums_of
from .worth import Worth

_PRICE_STEPS = 60
_LABELS = 50_000
"""Beginnings of networks that are kept at a time; whatever else is dropped loosens the bound. By
the square of the limits fewer: the more there are, the less often does one dominate another."""
_PIVOTS = 64
_TINY = 1e-12
"""Below any difference in worth or load that means anything."""


@dataclass(frozen=True, slots=True)
class Optimum:
    """What branch and bound came to.

    Attributes:
        subnetwork: the best network within the limits that it saw; None where it saw none.
        worth: of that network, minus infinity where there is none.
        bound: no network within the limits is worth more; equal to ``worth`` where the network is
            the optimum, and minus infinity where it is proven that there is none.
    """

    subnetwork: SubNetwork | None
    worth: float
    bound: float


@dataclass(frozen=True, slots=True, eq=False)
class _Labels:
    """Beginnings of networks of one context, up to the same slot.

    Attributes:
        worth: of the beginning: (n,).
        load: by each limit: (n, limits).
        choices: of the slots so far: (n, slots).
        open: whether the stage that the last slot is in goes on: (n,).
    """

    worth: Floats
    load: Floats
    choices: NDArray[np.int16]
    open: NDArray[np.bool_]

    def __getitem__(self, chosen: NDArray[np.generic]) -> _Labels:
        return _Labels(
            self.worth[chosen], self.load[chosen], self.choices[chosen], self.open[chosen]
        )


def solve(
    space: SearchSpace, limits: Sequence[Limit], worth: Worth, known: SubNetwork | None = None
) -> Optimum:
    """Find the network of the highest worth within the limits, and a bound on all others.

    Prices turn the limits into a bound for each context and for whatever a network's first slots
    leave open (Lagrangian relaxation). Networks are built slot by slot; beginnings that cannot
    come to more than the best network so far, or are in no respect better than another, are left.

    Args:
        space: to search in.
        limits: to be met.
        worth: what is to be as high as it can.
        known: a network within the limits.

    Source: Fisher, The Lagrangian relaxation method for solving integer programming problems,
    Management Science 27, 1981; Nemhauser and Ullmann, Discrete dynamic programming and capital
    allocation, Management Science 15, 1969 (dominance).
    """
    sums, layout = sums_of(space, limits), Layout.of(space)
    best = _Best(limits, worth)
    if known is not None:
        best.offer(np.array([known], np.int16))
    every = np.arange(len(space.contexts))
    bounds, prices = _best_prices(layout, worth, sums, best, every, hopeful=True)
    # A network within these sums may exceed another limit, so none of them is known to be the best.
    left_out = -np.inf if sums.complete else float(bounds.max())
    at_these = relaxed(layout, worth, sums, prices)
    for context in np.argsort(-bounds, kind="stable").tolist():
        if bounds[context] <= best.worth + _TINY:
            break
        dropped = _branch(context, layout, worth, sums, at_these, prices[context], best)
        left_out = max(left_out, min(dropped, float(bounds[context])))
    return Optimum(best.subnetwork, best.worth, max(best.worth, left_out))


class _Best:
    """The best network so far.

    Attributes:
        worth: of it, minus infinity where there is none.
        subnetwork: it, or None.
    """

    def __init__(self, limits: Sequence[Limit], worth: Worth) -> None:
        self.worth = -np.inf
        self.subnetwork: SubNetwork | None = None
        self._limits, self._worth = limits, worth

    def offer(self, population: NDArray[np.int16]) -> None:
        """Take the best of some networks that really meets the limits, if it is better."""
        contexts, choices = population[:, 0], population[:, 1:]
        added = self._worth.choice[contexts[:, None], np.arange(choices.shape[1]), choices]
        worths = self._worth.fixed[contexts] + added.sum(axis=1)
        worths[~meets(self._limits, population)] = -np.inf
        if len(worths) and worths.max() > self.worth:
            self.worth = float(worths.max())
            self.subnetwork = tuple(population[int(worths.argmax())].tolist())


def best_prices(space: SearchSpace, limits: Sequence[Limit], worth: Worth, sums: Sums) -> Floats:
    """Return what a unit of each limit is worth where all are used up: (contexts, limits).

    Of contexts with several axes, all of one resolution have the prices of the dearest.
    """
    places, counts = space.axis_places(), space.axis_counts
    dearest = np.flatnonzero((places[:, 1:] == np.array(counts[1:]) - 1).all(axis=1))
    best = _Best(limits, worth)
    _, prices = _best_prices(Layout.of(space), worth, sums, best, dearest, hopeful=False)
    return prices[dearest[places[:, 0]]]


def _best_prices(
    layout: Layout,
    worth: Worth,
    sums: Sums,
    best: _Best,
    contexts: NDArray[np.intp],
    *,
    hopeful: bool,
) -> tuple[Floats, Floats]:
    """Look for the prices of the lowest bound of each context: (contexts,), (contexts, limits).

    Prices rise where the best network exceeds a limit and fall where it leaves room.

    Args:
        layout: of the space.
        worth: of its choices.
        sums: that are to stay within 1.
        best: takes the networks that are come across.
        contexts: that are looked at.
        hopeful: whether those are left whose bound is no better than the best network.

    Source: Held, Wolfe and Crowder, Validation of subgradient optimization, Mathematical
    Programming 6, 1974.
    """
    limits, count = sums.fixed.shape
    prices, lowest_at = np.zeros((count, limits)), np.zeros((count, limits))
    lowest, share = np.full(count, np.inf), np.ones(count)
    for _ in range(_PRICE_STEPS):
        here = prices[contexts]
        now = relaxed(layout, worth.at(contexts), sums.at(contexts), here)
        now.network[:, 0] = contexts
        best.offer(now.network[np.isfinite(now.bound)])
        better = now.bound < lowest[contexts] - _TINY
        share[contexts[~better]] *= 0.8
        lowest[contexts[better]] = now.bound[better]
        lowest_at[contexts[better]] = here[better]
        excess = now.load - 1
        length = np.square(excess).sum(axis=1)
        target = best.worth if np.isfinite(best.worth) else float(worth.fixed.min())
        gap = np.where(np.isfinite(now.bound), np.maximum(now.bound - target, 0.0), 0.0)
        step = share[contexts] * (gap + _TINY) / np.maximum(length, _TINY)
        prices[contexts] = np.maximum(here + step[:, None] * excess, 0.0)
        if hopeful:
            contexts = contexts[lowest[contexts] > best.worth + _TINY]
    return lowest, lowest_at


def _branch(
    context: int,
    layout: Layout,
    worth: Worth,
    sums: Sums,
    prices_paid: Relaxed,
    prices: Floats,
    best: _Best,
) -> float:
    """Build every network of a context that may be better; return the bound of what was dropped."""
    costs = sums.choice[:, context]
    slots = costs.shape[1]
    tail, least = prices_paid.tail[context], _least_tails(layout, costs)
    labels = _Labels(
        worth.fixed[[context]],
        sums.fixed[:, context][None],
        np.zeros((1, slots), np.int16),
        np.ones(1, bool),
    )
    dropped, most = -np.inf, _LABELS // len(costs) ** 2
    for slot in range(slots):
        if layout.starts[slot]:
            labels = _Labels(labels.worth, labels.load, labels.choices, labels.open | True)
        labels = _extended(labels, slot, layout, worth.choice[context, slot], costs[:, slot])
        after = np.where(labels.open, slot + 1, layout.following[slot])
        fits = (labels.load + least[:, after].T <= 1 + 1e-9).all(axis=1)
        bound = labels.worth + (1 - labels.load) @ prices + tail[after]
        hopeful = np.flatnonzero(fits & (bound > best.worth + _TINY))
        labels, bound = labels[hopeful], bound[hopeful]
        kept = _undominated(labels, bound)
        labels, bound = labels[kept], bound[kept]
        if len(bound) > most:
            order = np.argsort(-bound, kind="stable")
            dropped = max(dropped, float(bound[order[most]]))
            labels = labels[order[:most]]
    population = np.concatenate(
        [np.full((len(labels.worth), 1), context, np.int16), labels.choices], axis=1
    )
    best.offer(population)
    return dropped


def _extended(labels: _Labels, slot: int, layout: Layout, worth: Floats, costs: Floats) -> _Labels:
    """Give every beginning each choice of the next slot; costs are (limits, choices)."""
    possible = np.isfinite(costs).all(axis=0)
    closed = labels[~labels.open]
    going = labels[labels.open]
    parts = [closed]
    if layout.optional[slot]:
        parts.append(_Labels(going.worth, going.load, going.choices, ~going.open))
    for choice in np.flatnonzero(possible).tolist():
        if choice != ABSENT:
            choices = going.choices.copy()
            choices[:, slot] = choice
            parts.append(
                _Labels(
                    going.worth + worth[choice], going.load + costs[:, choice], choices, going.open
                )
            )
    return _Labels(
        *(
            np.concatenate([getattr(part, field) for part in parts])
            for field in ("worth", "load", "choices", "open")
        )
    )


def _least_tails(layout: Layout, costs: Floats) -> Floats:
    """Return the least that the slots from each one on add to each limit: (limits, slots + 1)."""
    least = np.zeros((costs.shape[0], costs.shape[1] + 1))
    for slot in reversed(range(costs.shape[1])):
        least[:, slot] = costs[:, slot, 1:].min(axis=1) + least[:, slot + 1]
        if layout.optional[slot]:
            least[:, slot] = np.minimum(least[:, slot], least[:, layout.following[slot]])
    return least


def _undominated(labels: _Labels, bound: Floats) -> NDArray[np.intp]:
    """Leave beginnings that cost no less and are worth no more than another in the same stage.

    With one limit none of these is kept; with more, only those are found that the most hopeful
    ones dominate.
    """
    kept = []
    for state in (False, True):
        (members,) = np.nonzero(labels.open == state)
        if labels.load.shape[1] == 1:
            members = members[np.lexsort([-labels.worth[members], labels.load[members, 0]])]
            highest = np.maximum.accumulate(labels.worth[members])
            risen = np.concatenate([[True], highest[1:] > highest[:-1]])[: len(members)]
            kept.append(members[risen])
            continue
        for pivot in members[np.argsort(-bound[members], kind="stable")[:_PIVOTS]].tolist():
            dominated = (labels.worth[members] <= labels.worth[pivot]) & (
                labels.load[members] >= labels.load[pivot]
            ).all(axis=1)
            dominated &= members != pivot
            # Of two equal ones the first stays.
            equal = dominated & (labels.worth[members] == labels.worth[pivot])
            equal &= (labels.load[members] == labels.load[pivot]).all(axis=1)
            members = members[~dominated | (equal & (members < pivot))]
        kept.append(members)
    return np.concatenate(kept)
