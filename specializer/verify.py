"""Verification: the shipped files run on the device, and the promise holds or it does not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..devices.device import Device
from ..profiler.runtimes import find_runtime
from ..profiler.session import AgentSession, MeasureJob, Refusal
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


@dataclass(frozen=True, slots=True)
class Proof:
    """What one artefact did on one device.

    Attributes:
        runtime: that ran it.
        runtime_version: as the runtime says.
        device: name.
        threads: that the runtime used.
        size_bytes: of the artefact.
        images: how many were computed by both the artefact and torch.
        difference: largest absolute difference of the logits, over torch's largest logit.
        agreement: share of the images with the same top-1 as torch, 0–1.
        top1: accuracy of the artefact itself, 0–1; None where the images have no labels.
        latency_ms: median over processes.
        low_ms: lower end of the median's 95 % confidence interval.
        high_ms: upper end of it.
        budget_ms: what it was judged against.
    """

    runtime: str
    runtime_version: str
    device: str
    threads: int
    size_bytes: int
    images: int
    difference: float
    agreement: float
    top1: float | None
    latency_ms: float
    low_ms: float
    high_ms: float
    budget_ms: float

    @property
    def same(self) -> bool:
        """Whether the artefact computes what torch computes."""
        return self.difference <= TOLERANCE

    @property
    def within_budget(self) -> bool:
        """Whether the measured latency is within the budget."""
        return self.latency_ms <= self.budget_ms

    @property
    def holds(self) -> bool:
        """Whether everything that was promised holds."""
        return self.same and self.within_budget


def verify(
    network: Network,
    artefacts: Sequence[Artefact],
    device: Device,
    budget_ms: float,
    images: Tensor,
    labels: Sequence[int] | None = None,
    *,
    threads: int = 1,
    passes: int = 3,
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[Proof, ...]:
    """Run artefacts on a device, compare them with torch, time them, and judge.

    Every pass is a process of its own, the runtimes in turns, because latencies differ more
    between processes than within one.

    Args:
        network: what the artefacts were exported from.
        artefacts: to be run.
        device: to run on.
        budget_ms: latency that was promised.
        images: (N, 3, size, size), normalised.
        labels: of the images, if known.
        threads: that the runtimes may use.
        passes: processes that each artefact is timed in.
        progress: told what is done, before it is done.

    Raises:
        AgentError: an artefact does not run.
        RuntimeMissingError: the device lacks a runtime.
    """
    expected = network.run(images).numpy()
    trials = [_Trial(artefact) for artefact in artefacts]
    for pass_index in range(passes):
        for trial in trials:
            runtime = trial.artefact.runtime
            progress(f"{runtime}: pass {pass_index + 1} of {passes}")
            with AgentSession(device, find_runtime(runtime), threads) as session:
                trial.time(session, pass_index)
                if pass_index == 0:
                    trial.compute(session, images)
    return tuple(
        Proof(
            runtime=trial.artefact.runtime,
            runtime_version=trial.runtime_version,
            device=device.name,
            threads=threads,
            size_bytes=trial.artefact.size_bytes,
            budget_ms=budget_ms,
            **trial.comparison(expected, labels),
            **trial.timing(),
        )
        for trial in trials
    )


class _Trial:
    """One artefact on trial: what was seen of it so far."""

    def __init__(self, artefact: Artefact) -> None:
        self.artefact = artefact
        self.runtime_version = ""
        self._windows: list[Window] = []
        self._logits: NDArray[np.float32] = np.empty(0, np.float32)

    def time(self, session: AgentSession, pass_index: int) -> None:
        """Time the artefact in a fresh process."""
        model = session.place(self.artefact.path.read_bytes())
        (timing,) = session.measure([MeasureJob(model, WINDOW_MS, WARMUP_MS)])
        if isinstance(timing, Refusal):
            raise AgentError(f"{self.artefact.path} does not run: {timing.reason}")
        self._windows.append(
            Window(
                pass_index,
                timing.samples_us,
                timing.preempted,
                _UNCORRECTED_US,
                timing.started_at,
            )
        )

    def compute(self, session: AgentSession, images: Tensor) -> None:
        """Let the artefact compute its logits, one image at a time."""
        self.runtime_version = session.hello.runtime_version
        model = session.place(self.artefact.path.read_bytes())
        self._logits = session.infer(model, images.numpy()[:, None]).reshape(len(images), -1)

    def comparison(
        self, expected: NDArray[np.float32], labels: Sequence[int] | None
    ) -> _Comparison:
        """Compare the artefact's logits with torch's, and its answers with the labels."""
        answers = self._logits.argmax(1)
        return _Comparison(
            images=len(expected),
            difference=float(np.abs(self._logits - expected).max() / np.abs(expected).max()),
            agreement=float((answers == expected.argmax(1)).mean()),
            top1=None if labels is None else float((answers == np.asarray(labels)).mean()),
        )

    def timing(self) -> _Timing:
        """Summarise the windows of all passes."""
        measured = Measurement(tuple(self._windows), _UNCORRECTED_US)
        low_ms, high_ms = measured.interval_ms() or (measured.median_ms, measured.median_ms)
        return _Timing(latency_ms=measured.median_ms, low_ms=low_ms, high_ms=high_ms)


class _Comparison(TypedDict):
    images: int
    difference: float
    agreement: float
    top1: float | None


class _Timing(TypedDict):
    latency_ms: float
    low_ms: float
    high_ms: float
