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
from ..tables.errors import FormatError
from ..tables.health import BatchHealth
from ..tables.measurement import Window
from ..tables.provenance import Condition
from ..tables.subject import Network, Subject
from ..tables.verdict import STEADY
from .batches import Item, make_batches
from .identity import identify
from .interleave import Interleaving
from .plan import Plan, Target, coverage
from .progress import CollectionReport, Progress
from .quiet import wait_until_quiet
from .reference import reference_graph
from .reservation import reserved
from .runtimes import Runtime, find_runtime

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

    Raises:
        FormatError: plan and condition are of different data types, or the runtime cannot run so.
        CoresError: the device does not let agents have the cores of the condition.
        DeviceBusyError: another process is timing on the device.
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
    view = partial(Health.seen_from, cores=condition.pinned, gpu=condition.on_gpu)
    wait = partial(wait_until_quiet, device, patience_s, tell, view)
    with _alone(device, store, table, condition, patience_s, tell, wait) as health_before:
        done = store.done(table)
        resumed = coverage(plan, done).windows
        run = _Run(store, table, progress, resumed, plan.windows)
        runtime = find_runtime(condition.runtime)
        interleaving = Interleaving(
            device=device,
            runtime=runtime,
            threads=condition.threads,
            options=condition.options,
            cores=condition.pinned,
            reference=runtime.write(reference_graph(), condition.batch),
            keep=run.keep,
            give_up=run.give_up,
            watch=run.watch,
            pause=None if patience_s is None else wait,
        )
        unsteady: Sequence[Target] = plan.targets
        for pass_index in range(max(plan.passes, plan.most_passes)):
            missing = [t for t in unsteady if (str(t.subject), pass_index) not in done]
            if pass_index >= plan.passes:
                run.of_windows += len(missing)
            if pass_index > 0 and missing:
                wait()
            items = [_item(target, runtime, condition.batch) for target in missing]
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
) -> Iterator[Health]:
    """Have a device and a table for ourselves; give the device's health at the beginning."""
    with reserved(device, patience_s, tell):
        health = wait()
        store.create(table, identify(device, condition))
        with store.lease(table):
            yield health


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
    started: float = field(default_factory=time.monotonic)

    def unsteady(self, targets: Sequence[Target]) -> list[Target]:
        """Find what is not measured to within the target yet."""
        found = self.store.load(self.table).measurements
        return [
            target
            for target in targets
            if target.subject in found and found[target.subject].relative_error > STEADY
        ]

    def keep(self, subject: Subject, window: Window) -> None:
        """Put a window into the store."""
        self.store.add_window(self.table, subject, window)
        self.measured += 1
        self._report(subject, window.pass_index)

    def give_up(self, subject: Subject, reason: str, pass_index: int) -> None:
        """Put into the store why a subject was given up."""
        self.store.add_failure(self.table, subject, reason)
        self.failures += 1
        self._report(subject, pass_index)

    def watch(self, health: BatchHealth) -> None:
        """Put into the store how the device was during a batch."""
        self.store.add_health(self.table, health)

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


def _item(target: Target, runtime: Runtime, batch: int) -> Item[Subject]:
    return Item(
        target.subject,
        partial(runtime.write, target.graph, batch),
        target.memory_mb,
        alone=isinstance(target.subject, Network),
    )
