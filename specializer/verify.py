"""Verification: the shipped files run on the device, and the promise holds or it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..devices.device import Device
from ..devices.patient import patient
from ..profiler.batches import VISITS
from ..profiler.messages import MeasureJob, Refusal, Timing
from ..profiler.provision import with_prepared
from ..profiler.reservation import reserved
from ..profiler.runtimes import find_runtime
from ..profiler.session import AgentSession
from ..tables.errors import AgentError
from ..tables.measurement import Measurement, Window
from .export import Artefact
from .network import Network

TOLERANCE = 1e-4
"""Largest relative difference to torch that float artefacts may have."""

WINDOW_MS = 400.0
WARMUP_MS = 100.0
_UNCORRECTED_US = 1.0
"""A proof is what a clock showed: no reference model, no correction."""

Logits = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Comparison:
    """How an artefact's logits compare with torch's on the same images.

    Attributes:
        images: how many both computed.
        difference: largest absolute difference of the logits, over torch's largest logit; None
            where the artefact gives numbers that are none.
        agreement: share of the images with the same top-1, 0–1.
        top1: accuracy of the artefact itself, 0–1; None where the images have no labels.
    """

    images: int
    difference: float | None
    agreement: float
    top1: float | None

    @property
    def same(self) -> bool:
        """Whether the artefact computes what torch computes."""
        return self.difference is not None and self.difference <= TOLERANCE


@dataclass(frozen=True, slots=True)
class MeasuredLatency:
    """How long an artefact takes on a device.

    Attributes:
        latency_ms: median over processes.
        low_ms: lower end of its 95 % confidence interval; the median itself after one process.
        high_ms: upper end of it.
    """

    latency_ms: float
    low_ms: float
    high_ms: float


@dataclass(frozen=True, slots=True)
class Promise:
    """What was promised of an artefact.

    Attributes:
        budget_ms: latency on the device.
        most_bytes: size of the file; None where that was not limited.
    """

    budget_ms: float
    most_bytes: float | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """What one artefact did on one device.

    Attributes:
        runtime: that ran it.
        runtime_version: as the runtime says.
        device: name.
        threads: that the runtime used.
        size_bytes: of the artefact.
        budget_ms: what its latency was judged against.
        comparison: with torch.
        measured: latency.
        most_bytes: what its size was judged against; None where that was not limited.
    """

    runtime: str
    runtime_version: str
    device: str
    threads: int
    size_bytes: int
    budget_ms: float
    comparison: Comparison
    measured: MeasuredLatency
    most_bytes: float | None = None

    @property
    def small_enough(self) -> bool:
        """Whether the file is within the limit on its size."""
        return self.most_bytes is None or self.size_bytes <= self.most_bytes

    @property
    def within_budget(self) -> bool:
        """Whether the measured latency is within the budget."""
        return self.measured.latency_ms <= self.budget_ms

    @property
    def holds(self) -> bool:
        """Whether everything that was promised holds."""
        return self.comparison.same and self.within_budget and self.small_enough

    @property
    def verdict(self) -> str:
        """What to say of it: that it holds, or why it does not."""
        doubts = []
        if not self.comparison.same:
            doubts.append("differs from torch")
        if not self.within_budget:
            doubts.append("over budget")
        if not self.small_enough:
            doubts.append("file too large")
        return ", ".join(doubts) or "holds"


def verify(
    network: Network,
    artefacts: Sequence[Artefact],
    device: Device,
    promises: Mapping[str, Promise],
    images: Tensor,
    labels: Sequence[int] | None = None,
    *,
    threads: int = 1,
    passes: int = 3,
    progress: Callable[[int, str], None] = lambda _done, _what: None,
) -> tuple[Proof, ...]:
    """Run artefacts on a device, compare them with torch, time them, and judge.

    Every pass is a process of its own, the runtimes in turns, because latencies differ more
    between processes than within one.

    Args:
        network: what the artefacts were exported from.
        artefacts: to be run.
        device: to run on.
        promises: what was promised of each runtime's artefact.
        images: (N, 3, size, size), normalised.
        labels: of the images, if known.
        threads: that the runtimes may use.
        passes: processes that each artefact is timed in.
        progress: told how many processes have ended, and what comes next.

    Raises:
        AgentError: an artefact does not run, or is of another network.
        DeviceBusyError: another process is timing on the device.
        RuntimeMissingError: the device lacks a runtime.
    """
    device = patient(device)
    expected = network.run(images).numpy()
    trials = [
        _Trial(artefact, with_prepared(device, artefact.runtime), threads) for artefact in artefacts
    ]
    runs = [(pass_index, trial) for pass_index in range(passes) for trial in trials]
    with reserved(device):
        for done, (pass_index, trial) in enumerate(runs):
            progress(done, f"{trial.artefact.runtime}: pass {pass_index + 1} of {passes}")
            trial.run(pass_index, images)
    progress(len(runs), "verified")
    return tuple(
        trial.proof(expected, labels, promises[trial.artefact.runtime]) for trial in trials
    )


class _Trial:
    """One artefact on trial: what was seen of it so far."""

    def __init__(self, artefact: Artefact, device: Device, threads: int) -> None:
        self.artefact = artefact
        self._device, self._threads = device, threads
        self._runtime_version = ""
        self._windows: list[Window] = []
        self._logits: Logits = np.empty((0, 0), np.float32)

    def run(self, pass_index: int, images: Tensor) -> None:
        """Time the artefact in a fresh process; the first also computes its logits."""
        runtime = find_runtime(self.artefact.runtime)
        with AgentSession(self._device, runtime, self._threads) as session, self._explained():
            self._runtime_version = session.hello.runtime_version
            if pass_index == 0:
                (model,) = session.place([self.artefact.path.read_bytes()])
                self._logits = session.infer(model, images.numpy()[:, None])[:, 0]
            (model,) = session.place([self.artefact.path.read_bytes()])
            visits = [_timing(answer) for (answer,) in session.measure(_visits(model))]
        self._windows.append(
            Window(
                pass_index,
                tuple(chain.from_iterable(visit.samples_us for visit in visits)),
                sum(visit.preempted for visit in visits),
                _UNCORRECTED_US,
                visits[0].started_at,
            )
        )

    def proof(self, expected: Logits, labels: Sequence[int] | None, promise: Promise) -> Proof:
        """Judge what was seen, against torch's logits and what was promised."""
        measured = Measurement(tuple(self._windows), _UNCORRECTED_US)
        latency_ms = measured.median_ms
        low_ms, high_ms = measured.interval_ms() or (latency_ms, latency_ms)
        with self._explained():
            comparison = compare(self._logits, expected, labels)
        return Proof(
            runtime=self.artefact.runtime,
            runtime_version=self._runtime_version,
            device=self._device.name,
            threads=self._threads,
            size_bytes=self.artefact.size_bytes,
            budget_ms=promise.budget_ms,
            comparison=comparison,
            measured=MeasuredLatency(latency_ms, low_ms, high_ms),
            most_bytes=promise.most_bytes,
        )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say of what goes wrong with the artefact which file it is, and what mends it."""
        try:
            yield
        except AgentError as error:
            folder, runtime = self.artefact.path.parent, self.artefact.runtime
            raise AgentError(
                f"{self.artefact.path} does not run as it should: {error}; "
                f"write it again with: sartor export {folder} --runtime {runtime}"
            ) from error


def _visits(model: str) -> Iterator[MeasureJob]:
    """Yield the jobs of one pass: as the collector visits whole networks, each time loaded anew."""
    for left in reversed(range(VISITS)):
        yield MeasureJob((model,), WINDOW_MS / VISITS, WARMUP_MS / VISITS, reuse=left > 0)


def _timing(answer: Timing | Refusal) -> Timing:
    if isinstance(answer, Refusal):
        raise AgentError(answer.reason)
    return answer


def compare(logits: Logits, expected: Logits, labels: Sequence[int] | None) -> Comparison:
    """Compare an artefact's logits with torch's, both (images, classes), and with the labels.

    Raises:
        AgentError: the artefact has another number of classes.
    """
    if logits.shape != expected.shape:
        raise AgentError(f"it computes {logits.shape} logits where torch has {expected.shape}")
    answers, scale = logits.argmax(1), float(np.abs(expected).max()) or 1.0
    difference = float(np.abs(logits - expected).max()) / scale
    return Comparison(
        images=len(expected),
        difference=difference if np.isfinite(difference) else None,
        agreement=float((answers == expected.argmax(1)).mean()),
        top1=None if labels is None else float((answers == np.asarray(labels)).mean()),
    )
