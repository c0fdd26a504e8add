"""The collector: fills a latency table by a plan, and goes on where it was interrupted."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from ..devices.device import Device
from ..tables.errors import AgentError, DeviceError, DeviceTimeoutError, SartorError
from ..tables.measurement import Window
from ..tables.provenance import Condition
from ..tables.subject import Network, Subject
from .identity import identify
from .messages import MeasureJob, Refusal, Timing
from .plan import Plan, Target, coverage
from .progress import CollectionReport, Progress
from .reference import reference_graph
from .runtimes import Runtime, find_runtime
from .session import AgentSession

if TYPE_CHECKING:
    from ..tables.store import Store

REFERENCE_EVERY = 12
"""Subjects between two windows of the reference model."""

_WINDOW_MS = 20
_WARMUP_MS = 5
_NETWORK_WINDOW_MS = 200  # there are few, and all predictions hang on them
_NETWORK_WARMUP_MS = 50
_REFERENCE_WINDOW_MS = 40
_WRITTEN_AHEAD = 4
_MAX_DEATHS_IN_A_ROW = 10


def collect(
    device: Device,
    store: Store,
    table: str,
    plan: Plan,
    condition: Condition,
    rng: np.random.Generator,
    progress: Callable[[Progress], None] = lambda _: None,
) -> CollectionReport:
    """Measure whatever of a plan a table does not hold yet.

    Every pass runs in a fresh agent, in random order, with a window of the reference model first
    and after every 12 subjects. A window is in the store before the next is asked for its turn,
    so this process and the agent may be killed at any moment: a rerun measures only what is
    missing. A subject that the runtime refuses, or that kills two agents, is given up with a
    reason in the store; a rerun tries it once more.

    Args:
        device: to measure on.
        store: that holds the table, or will.
        table: its name.
        plan: what to measure.
        condition: how the runtime is to run.
        rng: decides the order.
        progress: is told after every subject.

    Raises:
        StoreBusyError: another collector is filling the table.
        StoreError: the table holds measurements of other circumstances, or cannot be written.
        RuntimeMissingError: the device lacks the runtime.
        AgentError: agents die whatever they measure.
        DeviceError: the device is gone.
    """
    started = time.monotonic()
    health_before = device.health()
    store.create(table, identify(device, condition))
    with store.lease(table):
        done = store.done(table)
        resumed = coverage(plan, done).windows
        run = _Run(device, store, table, plan, condition, progress, resumed)
        for pass_index in range(plan.passes):
            missing = [t for t in plan.targets if (str(t.subject), pass_index) not in done]
            run.take_pass(pass_index, [missing[index] for index in rng.permutation(len(missing))])
    return CollectionReport(
        table=table,
        measured=run.measured,
        resumed=resumed,
        failures=run.failures,
        agent_deaths=run.deaths,
        seconds=time.monotonic() - started,
        health_before=health_before,
        health_after=device.health(),
    )


@dataclass(slots=True)
class _Run:
    """One run of ``collect``, with what it has counted so far."""

    device: Device
    store: Store
    table: str
    plan: Plan
    condition: Condition
    progress: Callable[[Progress], None]
    resumed: int
    measured: int = 0
    deaths: int = 0
    deaths_in_a_row: int = 0
    failures: dict[Subject, str] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    @property
    def runtime(self) -> Runtime:
        return find_runtime(self.condition.runtime)

    def take_pass(self, pass_index: int, targets: Iterable[Target]) -> None:
        """Measure targets in this order, with as many agents as it takes."""
        waiting = deque(target for target in targets if target.subject not in self.failures)
        suspects: set[Subject] = set()
        while waiting:
            death = self._run_agent(waiting, pass_index)
            if death is None:
                continue
            self.deaths += 1
            self.deaths_in_a_row += 1
            if self.deaths_in_a_row == _MAX_DEATHS_IN_A_ROW:
                raise death
            # The agent may have been killed from outside: a subject has to be there twice.
            suspect = waiting.popleft()
            if suspect.subject in suspects:
                self._give_up(suspect.subject, str(death), pass_index)
            else:
                suspects.add(suspect.subject)
                waiting.append(suspect)

    def _run_agent(self, waiting: deque[Target], pass_index: int) -> SartorError | None:
        """Let a new agent measure from the front of ``waiting``; return how it died, if it did.

        Whatever is dealt with is taken off, so that the dead agent's last subject stands in front.
        """
        with (
            AgentSession(self.device, self.runtime, self.condition.threads) as session,
            ThreadPoolExecutor(1) as writer,
        ):
            try:
                self._measure(session, writer, waiting, pass_index)
            except (AgentError, DeviceTimeoutError) as death:
                return death
        return None

    def _measure(
        self,
        session: AgentSession,
        writer: ThreadPoolExecutor,
        waiting: deque[Target],
        pass_index: int,
    ) -> None:
        order = _with_references(list(waiting))
        jobs = self._jobs(session, writer, order)
        reference_us = 0.0
        for target, answer in zip(order, session.measure(jobs), strict=True):
            if target is None:
                reference_us = _reference_us(answer)
                continue
            if isinstance(answer, Refusal):
                self._give_up(target.subject, answer.reason, pass_index)
            else:
                self._keep(target.subject, answer, reference_us, pass_index)
            waiting.popleft()

    def _jobs(
        self, session: AgentSession, writer: ThreadPoolExecutor, order: Sequence[Target | None]
    ) -> Iterator[MeasureJob]:
        """Yield jobs while the models of the next ones are written and pushed."""
        model = self.runtime.write(reference_graph(), self.condition.batch)
        reference = MeasureJob(session.place(model), _REFERENCE_WINDOW_MS, _WARMUP_MS, keep=True)

        def job_of(target: Target | None) -> MeasureJob:
            if target is None:
                return reference
            model = session.place(self.runtime.write(target.graph, self.condition.batch))
            if isinstance(target.subject, Network):
                return MeasureJob(model, _NETWORK_WINDOW_MS, _NETWORK_WARMUP_MS)
            return MeasureJob(model, _WINDOW_MS, _WARMUP_MS)

        ahead: deque[Future[MeasureJob]] = deque()
        for target in order:
            ahead.append(writer.submit(job_of, target))
            if len(ahead) > _WRITTEN_AHEAD:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()

    def _keep(self, subject: Subject, timing: Timing, reference_us: float, pass_index: int) -> None:
        window = Window(
            pass_index, timing.samples_us, timing.preempted, reference_us, timing.started_at
        )
        self.store.add_window(self.table, subject, window)
        self.measured += 1
        self.deaths_in_a_row = 0
        self._report(subject, pass_index)

    def _give_up(self, subject: Subject, reason: str, pass_index: int) -> None:
        self.store.add_failure(self.table, subject, reason)
        self.failures[subject] = reason
        self._report(subject, pass_index)

    def _report(self, subject: Subject, pass_index: int) -> None:
        windows = self.resumed + self.measured
        pace_s = (time.monotonic() - self.started) / max(1, self.measured)
        self.progress(
            Progress(
                windows=windows,
                of_windows=self.plan.windows,
                failures=len(self.failures),
                pass_index=pass_index,
                subject=subject,
                eta_s=pace_s * (self.plan.windows - windows),
            )
        )


def _reference_us(answer: Timing | Refusal) -> float:
    if isinstance(answer, Refusal):
        raise DeviceError(f"the device cannot even run the reference model: {answer.reason}")
    return median(answer.samples_us)


def _with_references(targets: Sequence[Target]) -> list[Target | None]:
    """Put the reference model (None) first, and again after every 12 targets."""
    order: list[Target | None] = []
    for index, target in enumerate(targets):
        if index % REFERENCE_EVERY == 0:
            order.append(None)
        order.append(target)
    return order
