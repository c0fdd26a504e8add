"""Rehearsals: each known device in turn plays the new one, so that errors are known beforehand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .basis import Basis, Prior
from .choice import choose
from .known import Floats, KnownDevices
from .posterior import condition

LONGEST = 20  # measurements; what is learned with as many serves for more

_DRAWS = 3
_NETWORKS = 200


@dataclass(frozen=True, eq=False)
class Scene:
    """Some networks on one known device, as if it were new.

    Attributes:
        basis: of the other devices.
        networks: as the other devices see them.
        logs: (networks,), of true latencies in ms.
    """

    basis: Basis
    networks: KnownDevices
    logs: Floats

    def play(self, prior: Prior) -> Rehearsal:
        """Choose under a prior what to measure, as is done on a new device."""
        design = self.basis.design(self.networks, prior)
        order = choose(design, design, prior.noise, min(LONGEST, len(design) - 1))
        shape = self.basis.shape(self.networks)
        return Rehearsal(design, prior.noise, shape, self.logs / self.basis.spread, order)


@dataclass(frozen=True, eq=False)
class Outcome:
    """How a rehearsal went.

    Attributes:
        errors: (networks not measured,), of log latencies, in spreads.
        ratios: (networks not measured,), absolute errors over predicted standard deviations.
        surprise: of the measurements themselves, see Posterior.
    """

    errors: Floats
    ratios: Floats
    surprise: float


@dataclass(frozen=True, eq=False)
class Rehearsal:
    """A device that plays the new one, and in which order its networks are measured."""

    design: Floats
    noise: float
    shape: Floats
    logs: Floats
    order: tuple[int, ...]

    def outcome(self, count: int) -> Outcome:
        """Predict the rest from the first measurements, ``count`` or as many as there are."""
        chosen = np.array(self.order[:count])
        others = np.delete(np.arange(len(self.logs)), chosen)
        values = self.logs[chosen] - self.shape[chosen]
        level = float(values.mean())
        posterior = condition(
            self.design[others],
            self.noise,
            self.shape[others] + level,
            (self.design[chosen], values - level),
        )
        errors = self.logs[others] - posterior.mean
        return Outcome(errors, np.abs(errors) / np.sqrt(posterior.variance), posterior.surprise)


def scenes(basis: Basis, known: KnownDevices) -> Iterator[Scene]:
    """Give every known device a few scenes; none where there is but one device."""
    if len(known.names) < 2:
        return
    for device in range(len(known.names)):
        others, rest = basis.without(device), known.without(device)
        for draw in range(_DRAWS):
            indices = spread_over(others.shape(rest), _NETWORKS, (draw + 0.5) / _DRAWS)
            logs = np.log(known.latencies_ms[device, indices])
            yield Scene(others, rest.of_networks(indices), logs)


def spread_over(values: Floats, count: int, offset: float = 0.5) -> NDArray[np.intp]:
    """Take items at even ranks from the smallest value to the largest.

    Args:
        values: to spread over.
        count: how many to take at most.
        offset: 0..1, where between two even ranks to start.
    """
    ranking = np.argsort(values, kind="stable")
    count = min(count, len(values))
    return ranking[((np.arange(count) + offset) * len(values) / count).astype(np.intp)]
