"""Training a comparator of networks, in NumPy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..space import Population, SearchSpace
from .adam import Adam
from .comparator import Comparator
from .denoise import Floats
from .features import one_hot
from .inputs import Arrays32, Inputs

_UNITS = 16
_PANEL = 32
_STEPS = 300
_PAIRS = 1024
"""Drawn at each step."""
_RATE = 0.02
_DECAY = 3e-3
"""Weight of half the squared weights beside the mean loss of a pair."""
_SHRINK = 0.1
_POINTS, _LEAST = 8, 5
"""Of the scale: how many there are, and from how many networks each is known."""
_LINE = 0.1
_TINY = 1e-6


def train_comparator(
    space: SearchSpace,
    population: Population,
    accuracies: Floats,
    _fold: NDArray[np.intp],
    rng: np.random.Generator,
) -> Comparator:
    """Train a comparator on pairs of networks, of which it is told which did better.

    Only the scale of its answers is taken from the accuracies themselves.

    Args:
        space: of the networks.
        population: (n, 1 + slots).
        accuracies: top-1 as fractions: (n,).
        rng: draws pairs, the weights to start from, and the panel.
    """
    inputs = Inputs.of(space, population)
    x = inputs(space, population)
    start = [
        _SHRINK * rng.standard_normal((x.shape[1], _UNITS)),
        _SHRINK * rng.standard_normal((x.shape[1], _UNITS)),
        np.zeros(_UNITS),
        rng.standard_normal(_UNITS) / np.sqrt(_UNITS),
        np.zeros(x.shape[1]),
    ]
    parameters = [array.astype(np.float32) for array in start]
    adam = Adam(_RATE)
    for step in range(_STEPS):
        adam.rate = _RATE * (1 - step / _STEPS)
        one, other = rng.integers(len(x), size=(2, _PAIRS))
        better = np.sign(accuracies[one] - accuracies[other]).astype(np.float32)
        parameters = adam.step(parameters, _slopes(parameters, x, one, other, better))
    first, second, bias, out, linear = parameters
    nothing = np.zeros(_UNITS, np.float32)
    first, shift = inputs.fold(first, nothing)
    second, bias = inputs.fold(second, bias + shift)
    weights = first, second, bias, out, inputs.matrix @ linear
    panel = one_hot(space, population[rng.permutation(len(x))[:_PANEL]])
    unscaled = Comparator(space, *weights, panel, np.array([[0.0, 1.0], [0.0, 1.0]]))
    return replace(unscaled, scale=_scale(unscaled.mean_log_odds(population), accuracies))


def _slopes(
    parameters: list[Arrays32],
    x: Arrays32,
    one: NDArray[np.intp],
    other: NDArray[np.intp],
    better: Arrays32,
) -> list[Arrays32]:
    """Return the slopes of the mean logistic loss of some pairs, and of the decay.

    ``better`` is 1 where the first of a pair is, -1 where the other, and 0 where neither: these
    teach nothing.
    """
    first, second, bias, out, linear = parameters
    ahead, behind = x @ first, x @ second
    forth = np.maximum(ahead[one] + behind[other] + bias, 0)
    back = np.maximum(behind[one] + ahead[other] + bias, 0)
    own = x @ linear
    odds = (forth - back) @ out + own[one] - own[other]
    error = -better / (1 + np.exp(np.clip(better * odds, -30, 30))) / len(better)
    to_forth = error[:, None] * out * (forth > 0)
    to_back = -error[:, None] * out * (back > 0)
    to_ahead, to_behind, to_own = np.zeros_like(ahead), np.zeros_like(behind), np.zeros_like(own)
    np.add.at(to_ahead, one, to_forth)
    np.add.at(to_ahead, other, to_back)
    np.add.at(to_behind, other, to_forth)
    np.add.at(to_behind, one, to_back)
    np.add.at(to_own, one, error)
    np.subtract.at(to_own, other, error)
    decay = np.float32(_DECAY)
    return [
        x.T @ to_ahead + decay * first,
        x.T @ to_behind + decay * second,
        (to_forth + to_back).sum(axis=0),
        (forth - back).T @ error + decay * out,
        x.T @ to_own + decay * linear,
    ]


def _scale(odds: Floats, accuracies: Floats) -> Floats:
    """Return the middles of groups of like odds, and their accuracies, both rising: (2, points).

    A little of the straight line is mixed in, so that no two odds stand for one accuracy.
    """
    order = np.argsort(odds, kind="stable")
    groups = np.array_split(order, max(2, min(_POINTS, len(odds) // _LEAST)))
    points = np.array([odds[group].mean() for group in groups])
    levels = np.array([accuracies[group].mean() for group in groups])
    if not np.ptp(points):
        return np.array([[-1.0, 1.0], accuracies.mean() + np.array([-_TINY, _TINY])])
    kept = np.concatenate([[True], np.diff(points) > _TINY * np.ptp(points)])
    points, levels = points[kept], np.maximum.accumulate(levels[kept])
    slope = max(float(np.ptp(levels)), _TINY) / float(np.ptp(points))
    line = levels.mean() + slope * (points - points.mean())
    return np.array([points, levels + _LINE * (line - levels)])
