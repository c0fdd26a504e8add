"""The collector: fills a latency table by a plan, and goes on where it was interrupted."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from ..devices.device import Device
from ..tables.errors import AgentError, DeviceError, DeviceTimeoutError, FormatError, SartorError
from ..tables.measurement import Window
from ..tables.provenance import Condition
from ..tables.subject import Subject
from ..tables.verdict import STEADY
from .batches import Batch, make_batches
from .identity import identify
from .messages import MeasureJob, Refusal, Timing
from .plan import Plan, Target, coverage
from .progress import CollectionReport, Progress
from .quiet import wait_until_quiet
from .reference import reference_graph
from .runtimes import Runtime, find_runtime
from .session import AgentSession

if TYPE_CHECKING:
    from ..tables.store import Store

_WINDOW_MS = 8
_NETWORK_WINDOW_MS = 240  # there are few, and all predictions hang on them
_NETWORK_WARMUP_MS = 60
_NETWORK_LOADS = 4
_REFERENCE_WINDOW_MS = 40
_WRITTEN_AHEAD = 2
_MAX_DEATHS_IN_A_ROW = 12  # finding the one of 128 models that kills agents takes 9


def collect(
    device: Device,
    store: Store,
    table: str,
    plan: Plan,
    condition: Condition,
    rng: np.random.Generator,
    progress: Callable[[Progress], None] = lambda _: None,
    *,
    patience_s: float | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> CollectionReport:
    """Measure whatever of a plan a table does not hold yet.

    Every pass runs in a fresh agent. Operators are measured in batches, in turns and cold, as
    ``time_rounds`` does; a network by itself, again and again. Batches come in random order, a
    window of the reference model before each. After the plan's passes, subjects that are not
    steady get further ones, up to the plan's most.

    A batch is in the store before the next but one begins, so this process and the agent may be
    killed at any moment: a rerun measures only what is missing. A subject that the runtime refuses,
    or that kills two agents, is given up with a reason in the store; a rerun tries it once more.

    Args:
        device: to measure on.
        store: that holds the table, or will.
        table: its name.
        plan: what to measure.
        condition: how the runtime is to run.
        rng: decides batches and their order.
        progress: is told after every subject.
        patience_s: how long to wait, in seconds, before every pass, for a device that is too hot
            or too busy; None to measure whatever it is like.
        tell: is called with what is being waited for.

    Raises:
        FormatError: plan and condition are of different data types, or the runtime cannot run so.
        DeviceDisturbedError: the device did not become quiet.
        StoreBusyError: another collector is filling the table.
        StoreError: the table holds measurements of other circumstances, or cannot be written.
        RuntimeMissingError: the device lacks the runtime.
        AgentError: agents die whatever they measure.
        DeviceError: the device is gone.
    """
    if plan.dtype != condition.dtype:
        raise FormatError(
            f"the plan's operators are {plan.dtype} and the condition is {condition.dtype}; "
            "give make_plan the condition's dtype"
        )
    started = time.monotonic()
    health_before = wait_until_quiet(device, patience_s, tell)
    store.create(table, identify(device, condition))
    with store.lease(table):
        done = store.done(table)
        resumed = coverage(plan, done).windows
        run = _Run(device, store, table, condition, progress, resumed, plan.windows)
        unsteady: Sequence[Target] = plan.targets
        for pass_index in range(max(plan.passes, plan.most_passes)):
            missing = [t for t in unsteady if (str(t.subject), pass_index) not in done]
            if pass_index >= plan.passes:
                run.of_windows += len(missing)
            if pass_index > 0 and missing:
                wait_until_quiet(device, patience_s, tell)
            run.take_pass(pass_index, make_batches(missing, rng))
            if pass_index >= plan.passes - 1:
                unsteady = run.unsteady(unsteady)
    seconds = time.monotonic() - started
    return CollectionReport(
        table=table,
        measured=run.measured,
        resumed=resumed,
        failures=run.failures,
        unsteady=tuple(target.subject for target in unsteady),
        agent_deaths=run.deaths,
        seconds=seconds,
        busy_share=run.busy_ms / 1000 / seconds,
        health_before=health_before,
        health_after=device.health(),
    )


@dataclass(slots=True)
class _Run:
    """One run of ``collect``, with what it has counted so far."""

    device: Device
    store: Store
    table: str
    condition: Condition
    progress: Callable[[Progress], None]
    resumed: int
    of_windows: int
    measured: int = 0
    busy_ms: float = 0.0
    deaths: int = 0
    deaths_in_a_row: int = 0
    failures: dict[Subject, str] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    @property
    def runtime(self) -> Runtime:
        return find_runtime(self.condition.runtime)

    def unsteady(self, targets: Sequence[Target]) -> list[Target]:
        """Find what is not measured to within the target yet."""
        found = self.store.load(self.table).measurements
        return [
            target
            for target in targets
            if target.subject in found and found[target.subject].relative_error > STEADY
        ]

    def take_pass(self, pass_index: int, batches: Sequence[Batch]) -> None:
        """Measure batches in this order, with as many agents as it takes."""
        alive = (batch.without(self.failures) for batch in batches)
        waiting = deque(batch for batch in alive if batch.targets)
        suspects: set[Subject] = set()
        while waiting:
            death = self._run_agent(waiting, pass_index)
            if death is None:
                continue
            self.deaths += 1
            self.deaths_in_a_row += 1
            if self.deaths_in_a_row == _MAX_DEATHS_IN_A_ROW:
                raise death
            # Nobody knows which model it was, or whether the agent was killed from outside: a batch
            # is halved until one subject is left, and that one has to be there twice.
            suspect = waiting.popleft()
            if len(suspect.targets) > 1:
                waiting.extendleft(reversed(suspect.halves()))
            elif suspect.targets[0].subject in suspects:
                self._give_up(suspect.targets[0].subject, str(death), pass_index)
            else:
                suspects.add(suspect.targets[0].subject)
                waiting.append(suspect)

    def _run_agent(self, waiting: deque[Batch], pass_index: int) -> SartorError | None:
        """Let a new agent measure from the front of ``waiting``; return how it died, if it did.

        Whatever is dealt with is taken off, so that the dead agent's last batch stands in front.
        """
        condition = self.condition
        with (
            AgentSession(
                self.device, self.runtime, condition.threads, condition.options
            ) as session,
            ThreadPoolExecutor(1) as writer,
        ):
            try:
                self._measure(session, writer, waiting, pass_index)
            except (AgentError, DeviceTimeoutError) as death:
                return death
            finally:
                self.busy_ms += session.busy_ms
        return None

    def _measure(
        self,
        session: AgentSession,
        writer: ThreadPoolExecutor,
        waiting: deque[Batch],
        pass_index: int,
    ) -> None:
        answers = session.measure(self._jobs(session, writer, list(waiting)))
        for reference, timings in zip(answers, answers, strict=True):
            reference_us = _reference_us(*reference)
            for target, timing in zip(waiting[0].targets, timings, strict=True):
                if isinstance(timing, Refusal):
                    self._give_up(target.subject, timing.reason, pass_index)
                else:
                    self._keep(target.subject, timing, reference_us, pass_index)
            waiting.popleft()

    def _jobs(
        self, session: AgentSession, writer: ThreadPoolExecutor, order: Sequence[Batch]
    ) -> Iterator[MeasureJob]:
        """Yield two jobs a batch, the reference model's and its own.

        The models of the next batches are written and pushed meanwhile.
        """

        def place(target: Target) -> str:
            return session.place(self.runtime.write(target.graph, self.condition.batch))

        def job_of(batch: Batch) -> MeasureJob:
            models = tuple(map(place, batch.targets))
            if batch.cold:
                return MeasureJob(models, _WINDOW_MS, evict_mb=batch.evict_mb)
            return MeasureJob(models, _NETWORK_WINDOW_MS, _NETWORK_WARMUP_MS, _NETWORK_LOADS)

        model = self.runtime.write(reference_graph(), self.condition.batch)
        reference = MeasureJob((session.place(model),), _REFERENCE_WINDOW_MS, keep=True)
        ahead: deque[Future[MeasureJob]] = deque()
        for batch in order:
            ahead.append(writer.submit(job_of, batch))
            if len(ahead) > _WRITTEN_AHEAD:
                yield from (reference, ahead.popleft().result())
        while ahead:
            yield from (reference, ahead.popleft().result())

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
                of_windows=self.of_windows,
                failures=len(self.failures),
                pass_index=pass_index,
                subject=subject,
                eta_s=pace_s * (self.of_windows - windows),
            )
        )


def _reference_us(answer: Timing | Refusal) -> float:
    if isinstance(answer, Refusal):
        raise DeviceError(f"the device cannot even run the reference model: {answer.reason}")
    return median(answer.samples_us)
