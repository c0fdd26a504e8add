"""Climbing from many networks at once, each step to the best of the changes that promise most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..space import ABSENT, Population, SearchSpace
from .archive import Archive
from .problem import Problem
from .relaxation import Floats, Layout
from .slopes import Slopes, Tables
from .sums import Sums

_VALUES = 3
"""Values that are considered for each position, at each step."""
_MOVES = 32
"""Changes that are considered for each network, those of most value for their price. All their
pairs are weighed; with all changes, that took a fifth of a search, and found no better ones."""
_IMPOSSIBLE = np.float32(-1e9)


@dataclass(frozen=True, slots=True, eq=False)
class Climber:
    """What climbing needs to know of a problem.

    Attributes:
        problem: whose limits are kept.
        sums: its limits, as far as they are sums.
        prices: what a unit of each limit is worth: (contexts, limits).
        slopes: tell what changes promise.
        archive: scores the networks.
        tried: networks that each network has built and scored at each step.
    """

    problem: Problem
    sums: Sums
    prices: Floats
    slopes: Slopes
    archive: Archive
    tried: int = 40

    def step(self, population: Population) -> tuple[Population, NDArray[np.bool_]]:
        """Take one step with each network, where one helps.

        Of every network the most promising pairs of changes, and the most promising single ones,
        are built; what a pair promises is the sum of what its changes do.

        Args:
            population: networks within the limits: (n, 1 + slots).

        Returns:
            Where they are then, in the same order, and whether each one has moved: (n,).
        """
        level = self.archive.score(population)
        built, owner = self._neighbours(population)
        scores = self.archive.score(built)
        # By owner, and the highest score first; of equal ones the first that was built.
        order = np.lexsort([-scores, owner])
        owners, first = np.unique(owner[order], return_index=True)
        best = order[first]
        better = scores[best] > level[owners]
        moved = np.zeros(len(population), bool)
        moved[owners[better]] = True
        stepped = population.copy()
        stepped[owners[better]] = built[best[better]]
        return stepped, moved

    def _neighbours(self, population: Population) -> tuple[Population, NDArray[np.intp]]:
        """Build the most promising neighbours within the limits; tell whose each is."""
        moves = self._moves(population)
        count = moves.positions.shape[1]
        one, other = np.triu_indices(count)  # a move with itself is a single one
        promise = moves.gain[:, one] + np.where(one == other, 0, moves.gain[:, other])
        apart = moves.positions[:, one] != moves.positions[:, other]
        fits = apart | (one == other)
        for extra, room in zip(moves.extra, moves.room, strict=True):
            added = extra[:, one] + np.where(one == other, 0, extra[:, other])
            fits &= added <= room[:, None]
        promise = np.where(fits, promise, _IMPOSSIBLE)
        tried = min(self.tried, promise.shape[1])
        chosen = np.argpartition(-promise, tried - 1, axis=1)[:, :tried]
        worthy = np.take_along_axis(promise, chosen, axis=1) > _IMPOSSIBLE / 2
        owner, place = np.nonzero(worthy)
        pair = chosen[owner, place]
        space, rows = self.problem.space, np.arange(len(owner))
        genes = space.genes(population)[owner]
        for move in (one[pair], other[pair]):
            genes[rows, moves.positions[owner, move]] = moves.values[owner, move]
        built = space.repair(space.networks(genes))
        met = self.problem.meets(built)
        return built[met], owner[met]

    def _moves(self, population: Population) -> _Moves:
        """List the changes that promise most for their price, for every network."""
        space, sums = self.problem.space, self.sums
        tables = self.slopes.tables(population)
        gain = tables - _current(tables, space.genes(population))
        extra = _extra(space, sums, population, gain.shape[2])
        gain[~_legal(space, population, gain.shape[2])] = _IMPOSSIBLE
        gain[~np.isfinite(extra).all(axis=0)] = _IMPOSSIBLE
        extra = np.where(np.isfinite(extra), extra, 0.0)
        prices = self.prices[population[:, 0]]
        value = gain - np.einsum("nl,lnpv->npv", prices, extra)
        values = np.argsort(-value, axis=2)[:, :, :_VALUES]
        value = np.take_along_axis(value, values, axis=2).reshape(len(population), -1)
        best = np.argpartition(-value, min(_MOVES, value.shape[1]) - 1, axis=1)[:, :_MOVES]
        positions, rows = best // _VALUES, np.arange(len(population))[:, None]
        values = values.reshape(len(population), -1)[rows, best]
        return _Moves(
            positions=positions,
            values=values,
            gain=gain[rows, positions, values],
            extra=extra[:, rows, positions, values],
            room=1 - _load(sums, population),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Moves:
    """Single changes of each of n networks.

    Attributes:
        positions: of the genes that are changed: (n, moves).
        values: that they get: (n, moves).
        gain: promised: (n, moves).
        extra: added to each limit: (limits, n, moves).
        room: left by each limit: (limits, n).
    """

    positions: NDArray[np.intp]
    values: NDArray[np.intp]
    gain: NDArray[np.float32]
    extra: Floats
    room: Floats


def _current(tables: Tables, genes: Population) -> Tables:
    """Read off what each network has: (n, axes + slots, 1)."""
    return np.take_along_axis(tables, genes[:, :, None].astype(np.intp), axis=2)


def _load(sums: Sums, population: Population) -> Floats:
    """Return what each network costs by each limit: (limits, n)."""
    contexts, choices = population[:, 0], population[:, 1:]
    slots = np.arange(choices.shape[1])
    added = sums.choice[:, contexts[:, None], slots, choices].sum(axis=2)
    load: Floats = sums.fixed[:, contexts] + added
    return load


def _extra(space: SearchSpace, sums: Sums, population: Population, values: int) -> Floats:
    """Return what each change adds to each limit: (limits, n, axes + slots, values)."""
    limits, _, slots, choices = sums.choice.shape
    axes = len(space.axis_counts)
    extra = np.full((limits, len(population), axes + slots, values), np.inf)
    there = sums.choice[:, population[:, 0]]
    has = population[None, :, 1:, None].astype(np.intp)
    extra[:, :, axes:, :choices] = there - np.take_along_axis(there, has, axis=3)
    load = _load(sums, population)
    for axis, count in enumerate(space.axis_counts):
        for value in range(count):
            moved = space.genes(population).copy()
            moved[:, axis] = value
            extra[:, :, axis, value] = _load(sums, space.networks(moved)) - load
    return extra


def _legal(space: SearchSpace, population: Population, values: int) -> NDArray[np.bool_]:
    """Tell which single changes leave no gap, or make one that is not wanted.

    The last filled slot of a stage may be emptied, the first empty one filled; the others between
    them keep what they are.
    """
    layout = Layout.of(space)
    choices = population[:, 1:]
    filled = choices != ABSENT
    starts = np.array(layout.starts)
    before = np.concatenate([np.ones((len(filled), 1), bool), filled[:, :-1]], axis=1) | starts
    ends = np.append(starts[1:], True)  # the last slot ends a stage
    behind = np.concatenate([filled[:, 1:], np.zeros((len(filled), 1), bool)], axis=1) & ~ends
    genes, axes = space.genes(population), len(space.axis_counts)
    _, highest = space.gene_bounds
    legal = np.repeat((np.arange(values) <= highest[:, None])[None], len(population), axis=0)
    legal[:, axes:] &= before[:, :, None]
    legal[:, axes:, ABSENT] = filled & ~behind & np.array(layout.optional)
    np.put_along_axis(legal, genes[:, :, None].astype(np.intp), values=False, axis=2)
    return legal
