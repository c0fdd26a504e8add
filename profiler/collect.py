"""The collector: fills a latency table by a plan, and goes on where it was interrupted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ..devices.device import Device
from ..devices.health import Health
from ..devices.patient import patient
from ..devices.ready import kept_ready
from ..tables.errors import FormatError
from ..tables.health import BatchHealth
from ..tables.measurement import Window
from ..tables.provenance import Condition
from ..tables.subject import Network, Subject
from ..tables.verdict import STEADY
from .batches import Item, make_batches
from .identity import identified
from .interleave import Interleaving
from .plan import Plan, Target, coverage
from .progress import CollectionReport, Progress
from .quiet import wait_until_quiet
from .reference import reference_graph
from .reservation import leased, reserved
from .runner import Runner
from .runtimes import Runtime, find_runtime
from .written import WrittenModels

if TYPE_CHECKING:
    from ..tables.store import Store


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
    models: WrittenModels | None = None,
) -> CollectionReport:
    """Measure whatever of a plan a table does not hold yet.

    Every pass runs in a fresh agent. Operators are measured in batches, in turns and cold, as
    ``time_rounds`` does; a network by itself, again and again. Batches come in random order, a
    window of the reference model before each. After the plan's passes, subjects that are not
    steady get further ones, up to the plan's most.

    A batch is in the store as soon as it is measured, and a network with its last visit of the
    pass, so this process and the agent may be killed at any moment: a rerun measures only what is
    missing. A subject that the runtime refuses, or that kills two agents, is given up with a reason
    in the store; a rerun tries it once more. The device is kept for this process alone meanwhile.
    A connection to the device that breaks costs nothing but time (``devices.patient``).
    With every batch the store learns how the device was; one that was disturbed is measured again,
    unless ``patience_s`` is None.

    Args:
        device: to measure on.
        store: that holds the table, or will.
        table: its name.
        plan: what to measure.
        condition: how the runtime is to run.
        rng: decides batches and their order.
        progress: is told after every subject.
        patience_s: how long to wait, in seconds, for others that time on the device, and before
            every pass and after several disturbed batches for one that is too hot or too busy; None
            not to wait for others, and to measure whatever it is like.
        tell: is called with what is being waited for.
        models: shared with other collections by the same plan that run at once.

    Raises:
        FormatError: plan and condition are of different data types, or the runtime cannot run so.
        CoresError: the device does not let agents have the cores of the condition.
        DeviceBusyError: another process is timing on the device, be it for another store, or from
            another host that shares this one.
        DeviceDisturbedError: the device did not become quiet.
        StoreBusyError: another collector is filling the table.
        StoreError: the table holds measurements of other circumstances, or cannot be written.
        RuntimeMissingError: the device lacks the runtime.
        AgentError: agents die whatever they measure.
        ConnectionLostError: the device did not come back.
        DeviceRestartedError: it was restarted meanwhile.
        DeviceError: the device is gone.
    """
    if plan.dtype != condition.dtype:
        raise FormatError(
            f"the plan's operators are {plan.dtype} and the condition is {condition.dtype}; "
            "give make_plan the condition's dtype"
        )
    started = time.monotonic()
    device = patient(device, tell=tell)
    view = partial(Health.seen_from, cores=condition.pinned, gpu=condition.on_gpu)
    wait = partial(wait_until_quiet, device, patience_s, tell, view)
    alone = _alone(device, store, table, condition, patience_s, tell, wait)
    with alone as (health_before, session):
        done = store.done(table)
        resumed = coverage(plan, done).windows
        run = _Run(store, table, progress, resumed, plan.windows)
        runtime = find_runtime(condition.runtime)
        with Interleaving(
            device=device,
            runtime=runtime,
            threads=condition.threads,
            options=condition.options,
            cores=condition.pinned,
            session=session,
            reference=runtime.write(reference_graph(), condition.batch),
            keep=run.keep,
            give_up=run.give_up,
            watch=run.watch,
            pause=None if patience_s is None else wait,
        ) as interleaving:
            unsteady: Sequence[Target] = plan.targets
            for pass_index in range(max(plan.passes, plan.most_passes)):
                missing = [t for t in unsteady if (str(t.subject), pass_index) not in done]
                if pass_index >= plan.passes:
                    run.of_windows += len(missing)
                if pass_index > 0 and missing:
                    wait()
                items = [_item(target, runtime, condition.batch, models) for target in missing]
                interleaving.take_pass(pass_index, make_batches(items, rng))
                if pass_index >= plan.passes - 1:
                    unsteady = run.unsteady(unsteady)
        health_after = view(device.health())
    seconds = time.monotonic() - started
    return CollectionReport(
        table=table,
        measured=run.measured,
        resumed=resumed,
        failures=interleaving.failures,
        unsteady=tuple(target.subject for target in unsteady),
        agent_deaths=interleaving.deaths,
        disturbed=interleaving.disturbed,
        seconds=seconds,
        busy_share=interleaving.busy_ms / 1000 / seconds,
        health_before=health_before,
        health_after=health_after,
    )


@contextmanager
def _alone(
    device: Device,
    store: Store,
    table: str,
    condition: Condition,
    patience_s: float | None,
    tell: Callable[[str], None],
    wait: Callable[[], Health],
) -> Iterator[tuple[Health, Runner]]:
    """Have a device and a table for ourselves; give the device's health, and a fresh agent."""
    native = find_runtime(condition.runtime).native
    with (
        reserved(device, patience_s, tell, native=native) as machine,
        leased(device, store, machine, patience_s, tell),
        kept_ready(device, tell) as facts,
    ):
        health = wait()
        with identified(device, condition, facts) as (provenance, session):
            store.create(table, provenance)
            with store.lease(table):
                yield health, session


@dataclass(slots=True)
class _Run:
    """One run of ``collect``: what becomes of its windows, and what it has counted so far."""

    store: Store
    table: str
    progress: Callable[[Progress], None]
    resumed: int
    of_windows: int
    measured: int = 0
    failures: int = 0
    batch: dict[Subject, Window] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    def unsteady(self, targets: Sequence[Target]) -> list[Target]:
        """Find what is not measured to within the target yet."""
        errors = self.store.relative_errors(self.table)
        return [target for target in targets if errors.get(str(target.subject), 0.0) > STEADY]

    def keep(self, subject: Subject, window: Window) -> None:
        """Take a window of the batch that was measured."""
        self.batch[subject] = window

    def watch(self, health: BatchHealth) -> None:
        """Put a batch into the store, and how the device was meanwhile: all of it or nothing."""
        found, self.batch = self.batch, {}
        self.store.add_windows(self.table, found, health)
        for subject, window in found.items():
            self.measured += 1
            self._report(subject, window.pass_index)

    def give_up(self, subject: Subject, reason: str, pass_index: int) -> None:
        """Put into the store why a subject was given up."""
        self.store.add_failure(self.table, subject, reason)
        self.failures += 1
        self._report(subject, pass_index)

    def _report(self, subject: Subject, pass_index: int) -> None:
        windows = self.resumed + self.measured
        pace_s = (time.monotonic() - self.started) / max(1, self.measured)
        self.progress(
            Progress(
                windows=windows,
                of_windows=self.of_windows,
                failures=self.failures,
                pass_index=pass_index,
                subject=subject,
                eta_s=pace_s * (self.of_windows - windows),
            )
        )


def _item(
    target: Target, runtime: Runtime, batch: int, models: WrittenModels | None
) -> Item[Subject]:
    return Item(
        target.subject,
        partial(runtime.write, target.graph, batch)
        if models is None
        else partial(models.get, runtime, target.graph, batch),
        target.memory_mb,
        alone=isinstance(target.subject, Network),
    )
