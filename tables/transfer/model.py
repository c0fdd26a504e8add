"""From tables of other devices and a few measurements to latencies of everything on a new one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from ..errors import FormatError, MeasurementError
from ..student import student_t
from .basis import Basis, Prior
from .choice import choose
from .known import Floats, KnownDevices
from .posterior import condition
from .rehearsal import Outcome, Rehearsal, Scene, scenes, spread_over

FEWEST = 3  # measurements that say something of their own error

_COVERAGE = 0.9
_TARGETS = 300  # networks whose variance the choice lowers; they stand for all
_COUNTS = 5, 7, 10  # measurements, for which the prior is learned
_PRIORS = tuple(
    Prior(features, rest, noise)
    for features, rest, noise in product((0.01, 0.03, 0.1), (0.003, 0.1, 1.0), (0.01, 0.03))
)
_ONE_DEVICE = Prior(0.03, 0.03, 0.03)  # the middle; one known device shows nothing of others
_NORMAL = 1.645  # standard deviations that hold 90 % of normal errors
_TYPICAL = 2  # measurements' worth of trust in the errors of rehearsals, against one's own


@dataclass(frozen=True, eq=False)
class TransferPrediction:
    """Latencies on the new device, each with an interval.

    Attributes:
        latency_ms: (networks,).
        low_ms: (networks,), lower ends.
        high_ms: (networks,), upper ends.
        coverage: share of networks that is expected within, on average over devices that differ
            from the known ones as these differ from each other.
    """

    latency_ms: Floats
    low_ms: Floats
    high_ms: Floats
    coverage: float


@dataclass(frozen=True, eq=False)
class TransferModel:
    """What known devices tell of a new one.

    The log latencies of a device are its level, plus a mixture of what the known devices' look
    like once their noise is smoothed out over features, plus a mixture of their rests, plus an
    additive deviation in features, plus noise. How much of each to expect is learned from
    rehearsals, in which one known device after another plays the new one: the choice of networks,
    the prediction, its error. The intervals are made of the same rehearsals (what share of errors
    is within how many predicted standard deviations) and of the leave-one-out errors of the
    measurements at hand, which tell whether the new device is stranger than that.

    Attributes:
        known: devices and networks.
        basis: of the known devices.
        prior: for a new device.

    Source: a linear-Gaussian form of meta-learning over devices, as in Lee et al., HELP, NeurIPS
    2021; hierarchical linear models and their empirical Bayes estimates are in Gelman et al.,
    Bayesian Data Analysis, 3rd edition, chapter 15. Pooling the errors of whole groups follows
    Dunn et al., Distribution-free prediction sets for two-layer hierarchical models, JASA 2022:
    without its correction for few groups, so that the coverage is an expectation and no guarantee.
    """

    known: KnownDevices
    basis: Basis
    prior: Prior

    @classmethod
    def learn(cls, known: KnownDevices) -> TransferModel:
        """Learn from known devices what to expect of another.

        Raises:
            MeasurementError: there are too few networks, or a device that takes the same time for
                all of them.
        """
        if known.latencies_ms.shape[1] <= FEWEST:
            raise MeasurementError(
                f"{known.latencies_ms.shape[1]} networks are too few to transfer latencies with; "
                f"take more than {FEWEST}"
            )
        basis = Basis.fit(known)
        stage = tuple(scenes(basis, known))
        if not stage:
            return cls(known, basis, _ONE_DEVICE)
        losses = [_loss(stage, prior) for prior in _PRIORS]
        return cls(known, basis, _PRIORS[int(np.argmin(losses))])

    def choose(self, count: int, candidates: Sequence[int] | None = None) -> tuple[int, ...]:
        """Choose networks to measure on the new device, the most telling first.

        Args:
            count: how many; 5–10 are enough as a rule.
            candidates: indices of networks that could be measured; all by default.

        Raises:
            MeasurementError: more are wanted than there are, fewer than one, or a candidate does
                not exist or comes twice.
        """
        design = self.basis.design(self.known, self.prior)
        indices = np.arange(len(design))
        if candidates is not None:
            self._check_indices(candidates)
            indices = np.asarray(candidates, np.intp)
        targets = spread_over(self.basis.shape(self.known), _TARGETS)
        chosen = choose(design[indices], design[targets], self.prior.noise, count)
        return tuple(indices[list(chosen)].tolist())

    def predict(
        self,
        measured: Sequence[int],
        latencies_ms: Sequence[float] | Floats,
        networks: KnownDevices | None = None,
    ) -> TransferPrediction:
        """Predict latencies on the new device.

        Args:
            measured: indices of the networks that were measured on it.
            latencies_ms: of each.
            networks: to predict, as the same devices see them; by default those that the model
                learned from, measured ones included.

        Raises:
            MeasurementError: fewer than three measurements, one that is no positive number, or one
                of a network that does not exist or was given before.
            FormatError: the networks are seen by other devices or have other features.
        """
        self._check(measured, latencies_ms)
        wanted = self.known if networks is None else networks
        features = self.known.features.shape[1]
        if wanted.names != self.known.names or wanted.features.shape[1] != features:
            raise FormatError(
                f"networks with {wanted.features.shape[1]} features on {', '.join(wanted.names)}; "
                f"this model takes {features} features and {', '.join(self.known.names)}"
            )
        of_measured = self.known.of_networks(measured)
        spread = self.basis.spread
        values = np.log(latencies_ms) / spread - self.basis.shape(of_measured)
        level = float(values.mean())
        posterior = condition(
            self.basis.design(wanted, self.prior),
            self.prior.noise,
            self.basis.shape(wanted) + level,
            (self.basis.design(of_measured, self.prior), values - level),
        )
        margin = self._strictness(len(measured), posterior.surprise)
        half_width = spread * margin * np.sqrt(posterior.variance)
        middle = spread * posterior.mean
        return TransferPrediction(
            np.exp(middle), np.exp(middle - half_width), np.exp(middle + half_width), _COVERAGE
        )

    @cached_property
    def _rehearsals(self) -> tuple[Rehearsal, ...]:
        return tuple(scene.play(self.prior) for scene in scenes(self.basis, self.known))

    def _strictness(self, count: int, surprise: float) -> float:
        """How many predicted standard deviations an interval reaches to either side."""
        outcomes = [rehearsal.outcome(count) for rehearsal in self._rehearsals]
        if not outcomes:
            return student_t(_COVERAGE, count - 1) * float(np.sqrt(surprise))
        typical = float(np.median([np.mean(outcome.ratios**2) for outcome in outcomes]))

        def unit(own: float) -> float:
            return float(np.sqrt((_TYPICAL * typical + count * own) / (_TYPICAL + count)))

        ratios = [outcome.ratios / unit(outcome.surprise) for outcome in outcomes]
        rehearsed = float(np.quantile(np.concatenate(ratios), _COVERAGE)) * unit(surprise)
        return max(rehearsed, _NORMAL * float(np.sqrt(surprise)))

    def _check(self, measured: Sequence[int], latencies_ms: Sequence[float] | Floats) -> None:
        if len(measured) != len(latencies_ms):
            raise MeasurementError(
                f"{len(measured)} networks and {len(latencies_ms)} latencies; give one for each"
            )
        if len(measured) < FEWEST:
            raise MeasurementError(
                f"{len(measured)} measurements are too few to transfer latencies with; "
                f"measure at least {FEWEST} networks"
            )
        self._check_indices(measured)
        for index, latency_ms in zip(measured, latencies_ms, strict=True):
            if not (np.isfinite(latency_ms) and latency_ms > 0):
                raise MeasurementError(
                    f"network {index} was measured at {latency_ms:g} ms; measure it again"
                )

    def _check_indices(self, indices: Sequence[int]) -> None:
        count = self.known.latencies_ms.shape[1]
        for index in indices:
            if not 0 <= index < count:
                raise MeasurementError(f"there is no network {index}; give 0 to {count - 1}")
        if len(set(indices)) < len(indices):
            raise MeasurementError("a network comes twice; give it once, with its median latency")


def _loss(stage: Sequence[Scene], prior: Prior) -> float:
    """Mean logarithm of the errors, so that a device that is hard to predict does not decide."""
    played = [scene.play(prior) for scene in stage]
    return float(np.mean([_log_error(one.outcome(count)) for one in played for count in _COUNTS]))


def _log_error(outcome: Outcome) -> float:
    return float(np.log(np.abs(outcome.errors).mean() + 1e-9))
