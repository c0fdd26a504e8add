"""Training an ensemble of perceptrons, all members at once, in NumPy.

NumPy rather than torch: two hundred networks are too little work for torch's overhead to pay, it
is trained in a second or two, and fitting a predictor to a CSV file shall not need torch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..space import Population, SearchSpace
from .adam import Adam
from .denoise import Floats
from .ensemble import Ensemble
from .inputs import Arrays32, Inputs

_MEMBERS, _UNITS = 8, 24
_STEPS = 250
_RATE = 0.01
_DECAY = 0.3
"""Weight of the squared weights, over the number of networks."""
_SHRINK = 0.1
"""Of the hidden weights' start: the linear path learns first."""


def train_ensemble(
    space: SearchSpace,
    population: Population,
    accuracies: Floats,
    _fold: NDArray[np.intp],
    rng: np.random.Generator,
) -> Ensemble:
    """Train perceptrons, each on a bootstrap sample.

    Args:
        space: of the networks.
        population: (n, 1 + slots).
        accuracies: top-1 as fractions: (n,).
        rng: draws samples and the weights to start from.
    """
    inputs = Inputs.of(space, population)
    x, count = inputs(space, population), len(accuracies)
    mean, deviation = float(accuracies.mean()), float(accuracies.std()) or 1.0
    wanted = ((accuracies - mean) / deviation).astype(np.float32)
    drawn = rng.multinomial(count, np.full(count, 1 / count), _MEMBERS).astype(np.float32)
    weights = drawn / np.float32(count)
    start = [
        _SHRINK * rng.standard_normal((_MEMBERS, x.shape[1], _UNITS)),
        np.zeros((_MEMBERS, _UNITS)),
        rng.standard_normal((_MEMBERS, _UNITS)) / np.sqrt(_UNITS),
        np.zeros((_MEMBERS, x.shape[1])),
        np.zeros(_MEMBERS),
    ]
    parameters = [array.astype(np.float32) for array in start]
    adam = Adam(_RATE)
    for step in range(_STEPS):
        adam.rate = _RATE * (1 - step / _STEPS)
        parameters = adam.step(parameters, _slopes(parameters, x, wanted, weights))
    hidden, hidden_bias, out, linear, bias = parameters
    unseen = _unseen_errors(_answers(parameters, x)[0], wanted, drawn)
    hidden, hidden_bias = inputs.fold(hidden, hidden_bias)
    linear, bias = inputs.fold(linear[..., None], bias[:, None])
    return Ensemble(
        space,
        hidden,
        hidden_bias,
        out,
        linear[..., 0],
        bias[:, 0],
        mean,
        deviation,
        deviation * unseen,
    )


def _answers(parameters: list[Arrays32], x: Arrays32) -> tuple[Arrays32, Arrays32]:
    """Return the members' answers, (members, n), and hidden units, (members, n, units)."""
    hidden, hidden_bias, out, linear, bias = parameters
    active = np.maximum(x @ hidden + hidden_bias[:, None], 0)
    answers = (active @ out[..., None])[..., 0] + linear @ x.T + bias[:, None]
    return answers, active


def _slopes(
    parameters: list[Arrays32], x: Arrays32, wanted: Arrays32, weights: Arrays32
) -> list[Arrays32]:
    """Return the slopes of half the weighted squared error, and of the decay."""
    hidden, _, out, linear, _ = parameters
    answers, active = _answers(parameters, x)
    error = weights * (answers - wanted)
    back = error[..., None] * out[:, None] * (active > 0)
    decay = np.float32(_DECAY / len(wanted))
    return [
        x.T @ back + decay * hidden,
        back.sum(axis=1),
        (error[:, None] @ active)[:, 0] + decay * out,
        error @ x + decay * linear,
        error.sum(axis=1),
    ]


def _unseen_errors(answers: Arrays32, wanted: Arrays32, drawn: Arrays32) -> float:
    """Return the deviation of what is wrong about networks that members did not see.

    What members disagree by is taken off: it is told for each network by itself.
    """
    unseen = drawn == 0
    voters = unseen.sum(axis=0)
    judged = voters > 1
    votes = np.where(unseen, answers, 0)[:, judged]
    means = votes.sum(axis=0) / voters[judged]
    spread = (np.where(unseen[:, judged], answers[:, judged] - means, 0) ** 2).sum(axis=0)
    if not judged.any():
        return 0.0
    left = np.square(means - wanted[judged]).mean() - (spread / voters[judged]).mean()
    return float(np.sqrt(max(left, 0.0)))
