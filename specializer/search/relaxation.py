"""Limits made prices: a bound on what networks within them are worth, and networks near it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from ..space import ABSENT, SearchSpace, required_slots
from .sums import Sums
from .worth import Worth

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Where the stages of a space lie among its slots.

    Attributes:
        optional: whether each slot may be empty.
        following: of each slot, the first slot of the next stage.
        starts: whether each slot begins a stage.
    """

    optional: tuple[bool, ...]
    following: tuple[int, ...]
    starts: tuple[bool, ...]

    @classmethod
    def of(cls, space: SearchSpace) -> Layout:
        """Describe a space."""
        ends = list(accumulate(map(len, space.stages)))
        places = [(stage, place) for stage in space.stages for place in range(len(stage))]
        return cls(
            tuple(place >= required_slots(stage) for stage, place in places),
            tuple(end for stage, end in zip(space.stages, ends, strict=True) for _ in stage),
            tuple(place == 0 for _, place in places),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Relaxed:
    """The best networks where limits cost a price instead of being kept.

    Attributes:
        bound: on what a network within the limits is worth: (contexts,).
        network: that attains it, by context: (contexts, 1 + slots).
        load: what that costs by each limit, in parts of what it may: (contexts, limits).
        tail: the most that the slots from each one on can add, prices paid: (contexts, slots + 1).
    """

    bound: Floats
    network: NDArray[np.int16]
    load: Floats
    tail: Floats


def relaxed(layout: Layout, worth: Worth, sums: Sums, prices: Floats) -> Relaxed:
    """Solve the relaxed problem of every context exactly.

    Whatever is within the limits gets back at least what it pays, so no such network is worth more
    than the best one that pays and gets all prices back.

    Args:
        layout: of the space.
        worth: of its choices.
        sums: that are to stay within 1.
        prices: of each limit, at least 0: (contexts, limits).

    Source: Geoffrion, Lagrangean relaxation for integer programming, Mathematical Programming
    Study 2, 1974, section 3.
    """
    contexts, slots = sums.choice.shape[1:3]
    forbidden = np.isinf(sums.choice).any(axis=0)
    costs = np.where(forbidden, 0.0, sums.choice)
    paid = np.where(forbidden, -np.inf, worth.choice - np.einsum("cl,lcsk->csk", prices, costs))
    best = 1 + paid[:, :, 1:].argmax(axis=2)
    gain = np.take_along_axis(paid, best[:, :, None], axis=2)[:, :, 0]
    tail = np.zeros((contexts, slots + 1))
    filled = np.ones((contexts, slots), bool)
    for slot in reversed(range(slots)):
        tail[:, slot] = gain[:, slot] + tail[:, slot + 1]
        if layout.optional[slot]:
            emptied = tail[:, layout.following[slot]]
            filled[:, slot] = tail[:, slot] > emptied
            tail[:, slot] = np.maximum(tail[:, slot], emptied)
    for slot in range(slots):
        if not layout.starts[slot]:
            filled[:, slot] &= filled[:, slot - 1]
    choices = np.where(filled, best, ABSENT)
    fixed = np.where(np.isinf(sums.fixed), 0.0, sums.fixed)
    added = np.take_along_axis(costs, choices[None, :, :, None], axis=3)[..., 0]
    load = (fixed + added.sum(axis=2)).T
    bound = worth.fixed + (prices * (1 - fixed.T)).sum(axis=1) + tail[:, 0]
    bound[np.isinf(sums.fixed).any(axis=0)] = -np.inf
    network = np.concatenate([np.arange(contexts)[:, None], choices], axis=1).astype(np.int16)
    return Relaxed(bound, network, load, tail)
