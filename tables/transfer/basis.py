"""What a new device may look like: its log latencies as a sum of columns with known weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import MeasurementError
from .known import Floats, KnownDevices

_LEVEL = 30.0  # prior deviation of the level, in spreads of a device: any speed is possible
_NOISE = 0.03  # of one latency, for the fits to features; as a share of the variance explained
_ROUNDS = 10  # of reweighting, by which the fits of real tables had settled


@dataclass(frozen=True, slots=True)
class Prior:
    """Variances of the parts of a device's log latencies, as shares of what is mixed.

    Attributes:
        features: of additive deviations, which no known device shows.
        rest: of mixtures of what features do not explain of the known devices.
        noise: of one measurement, and of everything else that is not modelled.
    """

    features: float
    rest: float
    noise: float


@dataclass(frozen=True, eq=False)
class Basis:
    """Known devices, taken apart.

    The logarithm of a latency is a level, plus what features explain additively, plus a rest. The
    fit is reweighted (Cauchy), for tables of real devices hold runs of rows that were timed at
    another clock.

    Attributes:
        center: (features,), means.
        variances: (features,), over networks.
        levels: (devices,), of log latencies in ms.
        weights: (devices, features), of features less their means.
        spreads: (devices,), standard deviations of what the features explain, or of all there is
            where there are no features.
    """

    center: Floats
    variances: Floats
    levels: Floats
    weights: Floats
    spreads: Floats

    @classmethod
    def fit(cls, known: KnownDevices) -> Basis:
        """Take known devices apart.

        Raises:
            MeasurementError: a device takes the same time for every network, so that its
                latencies say nothing of another's.
        """
        logs = np.log(known.latencies_ms)
        center, variances = known.features.mean(axis=0), known.features.var(axis=0)
        fits = [_robust_fit(known.features - center, row) for row in logs]
        levels = np.array([level for level, _ in fits])
        weights = np.array([weights for _, weights in fits])
        explained = weights @ (known.features - center).T if center.size else logs
        spreads = explained.std(axis=1)
        for name, spread in zip(known.names, spreads, strict=True):
            if not spread > 1e-9:
                raise MeasurementError(
                    f"all networks take {name} the same time, which tells nothing; leave it out"
                )
        return cls(center, variances, levels, weights, spreads)

    def without(self, device: int) -> Basis:
        """Leave one device out; the fits of the others do not depend on it."""
        return Basis(
            self.center,
            self.variances,
            np.delete(self.levels, device),
            np.delete(self.weights, device, axis=0),
            np.delete(self.spreads, device),
        )

    @property
    def spread(self) -> float:
        """The spread to expect of a new device: the geometric mean of the known ones."""
        return float(np.exp(np.log(self.spreads).mean()))

    def shape(self, known: KnownDevices) -> Floats:
        """What to expect of networks on a new device before any measurement, in spreads."""
        expected: Floats = self._mixed(known)[0].mean(axis=0)
        return expected

    def design(self, known: KnownDevices, prior: Prior) -> Floats:
        """Columns, (networks, columns), whose weights are all N(0, 1), in spreads."""
        mixed, rest = self._mixed(known)
        count = len(self.levels)
        typical = ((self.weights / self.spreads[:, None]) ** 2).mean(axis=0)
        total = float(typical @ self.variances) or 1.0
        deviations = (known.features - self.center) * np.sqrt(typical / total)
        return np.hstack(
            [
                np.full((mixed.shape[1], 1), _LEVEL),
                mixed.T / np.sqrt(count),
                rest.T * np.sqrt(prior.rest / count),
                deviations * np.sqrt(prior.features),
            ]
        )

    def _mixed(self, known: KnownDevices) -> tuple[Floats, Floats]:
        """What features explain of each device, and what they do not, in its spreads."""
        logs = np.log(known.latencies_ms) - self.levels[:, None]
        explained = self.weights @ (known.features - self.center).T if self.center.size else logs
        return explained / self.spreads[:, None], (logs - explained) / self.spreads[:, None]


def _robust_fit(features: Floats, logs: Floats) -> tuple[float, Floats]:
    """Fit a level and weights of centred features by reweighted ridge regression."""
    deviations = features.std(axis=0)
    used = deviations > 0
    columns = np.ones((len(logs), 1 + int(used.sum())))
    columns[:, 1:] = features[:, used] / deviations[used]
    penalty = np.full(columns.shape[1], _NOISE * used.sum())
    penalty[0] = 0.0
    trust = np.ones(len(logs))
    for _ in range(_ROUNDS):
        weighted = columns * trust[:, None]
        found = np.linalg.solve(columns.T @ weighted + np.diag(penalty), weighted.T @ logs)
        errors = logs - columns @ found
        scale = 2 * 1.4826 * float(np.median(np.abs(errors)))  # two standard deviations
        trust = 1 / (1 + (errors / scale) ** 2) if scale > 0 else np.ones(len(logs))
    weights = np.zeros(features.shape[1])
    weights[used] = found[1:] / deviations[used]
    return float(found[0]), weights
