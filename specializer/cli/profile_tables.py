"""``sartor profile`` of what a search space can reach: a latency table for each of some devices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from .fleet_bars import fleet_bars
from .output import note, print_json, progress_bar
from .profile_summary import Ended, print_profile, print_summary, profile_document
from .profile_transfer import (
    find_newcomer,
    keep_estimates,
    refuse_estimates,
    refuse_measurements,
)

if TYPE_CHECKING:
    from ...devices import Device
    from ...devices.stoppable import Stop
    from ...profiler import CollectionReport, Outcome, Plan, Progress, WrittenModels
    from ...tables import Graph, Operator, Store
    from ...tables.granularity import Granularity
    from ..transfer import Newcomer


@dataclass(frozen=True, slots=True)
class TablesRequest:
    """What is to be measured, as the command line says it.

    Attributes:
        devices: names, each once.
        inventory: file of the inventory, if not the usual one.
        runtime: name.
        threads: that the runtime may use.
        cores: to pin to, as ``--cores`` names them.
        options: of the runtime.
        dtype: of everything.
        batch: samples in one inference.
        python: the interpreter that has the runtime; empty for each device's own.
        table: name of the tables, with ``{device}`` in it where there are several.
        supernet: name or path.
        operators: texts of the only ones to measure, if any.
        rows: which of a supernet's.
        passes: processes that time each operator.
        most_passes: as many for an operator that is not steady.
        networks: how many to calibrate by.
        transfer_from: tables to estimate operators from, if any.
        patience_s: how long to wait for a device that is hot or busy, in seconds; None not to.
        seed: of everything random.
    """

    devices: tuple[str, ...]
    inventory: Path | None
    runtime: str
    threads: int
    cores: str
    options: str
    dtype: str
    batch: int
    python: str
    table: str | None
    supernet: str
    operators: tuple[str, ...]
    rows: Sequence[Granularity]
    passes: int
    most_passes: int
    networks: int
    transfer_from: tuple[str, ...]
    patience_s: float | None
    seed: int

    def table_of(self, device: str) -> str:
        """Name a device's table, after what may not mix in one: ``local-onnxruntime-extended``."""
        if self.table is not None:
            return self.table.replace("{device}", device)
        chosen = (pair.rpartition("=")[2] for pair in self.options.split(","))
        other = "" if self.dtype == "float32" else self.dtype
        how = "transferred" if self.transfer_from else ""
        many = "" if self.batch == 1 else f"batch{self.batch}"
        where = f"cores{self.cores}" if self.cores[:1].isdecimal() else self.cores
        return "-".join(filter(None, (device, self.runtime, *chosen, other, many, where, how)))


def profile_tables(request: TablesRequest, where: str, *, as_json: bool) -> None:
    """Measure, and print what was done.

    Args:
        request: what is to be measured.
        where: the store.
        as_json: whether to print for programs.
    """
    from ...devices import find_device
    from ...profiler import find_runtime
    from ...tables import Store

    found = find_runtime(request.runtime)
    found.check_options(request.options)
    found.check_dtype(request.dtype)
    # All that can be wrong with the request is found out before anything is measured.
    devices = [find_device(name, request.python, request.inventory) for name in request.devices]
    with Store.open(where) as store:
        plan, newcomer = _plan(request, store)
        works = [_Work(request, device, store, plan, newcomer) for device in devices]
        for work in works:
            work.check_table()
        if len(works) == 1:
            _profile_one(works[0], as_json=as_json)
        else:
            _profile_several(works, as_json=as_json)


@dataclass(frozen=True, slots=True)
class _Work:
    """What is to be measured on one device."""

    request: TablesRequest
    device: Device
    store: Store
    plan: Plan
    newcomer: Newcomer | None

    @property
    def table(self) -> str:
        return self.request.table_of(self.device.name)

    def check_table(self) -> None:
        """Raise StoreError if the table may not hold what it is to hold."""
        if self.newcomer is None:
            refuse_estimates(self.store, self.table)
        else:
            refuse_measurements(self.store, self.table, self.request.transfer_from)

    def do(
        self,
        device: Device,
        progress: Callable[[Progress], None],
        tell: Callable[[str], None],
        models: WrittenModels | None = None,
    ) -> CollectionReport:
        """Measure on the device, by whatever means it is seen."""
        import numpy as np

        from ...devices import find_cores
        from ...profiler import collect
        from ...profiler.provision import with_prepared
        from ...tables import Condition
        from ...tables.cores import cores_text

        asked = self.request
        pinned = cores_text(find_cores(device, asked.cores))
        report = collect(
            device if asked.python else with_prepared(device, asked.runtime),
            self.store,
            self.table,
            self.plan,
            Condition(
                asked.runtime,
                asked.threads,
                asked.batch,
                asked.dtype,
                options=asked.options,
                cores=pinned,
            ),
            np.random.default_rng(asked.seed),
            progress,
            patience_s=asked.patience_s,
            tell=tell,
            models=models,
        )
        if self.newcomer is not None:
            keep_estimates(self.store, self.table, self.newcomer)
        return report


def _profile_one(work: _Work, *, as_json: bool) -> None:
    with progress_bar() as bar:
        task = bar.add_task(f"profile {work.device.name}", total=work.plan.windows)
        report = work.do(
            work.device,
            lambda done: bar.update(
                task, completed=done.windows + done.failures, total=done.of_windows
            ),
            note,
        )
        measured = work.store.load(work.table)
    if as_json:
        print_json(profile_document(report, measured))
    else:
        print_profile(report, measured, work.store.where)


def _profile_several(works: Sequence[_Work], *, as_json: bool) -> None:
    from ...devices.patient import patient
    from ...devices.stoppable import StoppableDevice
    from ...profiler import WrittenModels, at_once

    names = [work.device.name for work in works]
    outcomes: dict[str, Outcome[CollectionReport]] = {}
    with WrittenModels() as models, fleet_bars(names, works[0].plan.windows) as bars:

        def do(work: _Work, stop: Stop) -> CollectionReport:
            name = work.device.name

            def tell(sentence: str) -> None:
                stop.check()
                note(f"{name}: {sentence}")

            seen = StoppableDevice(patient(work.device, tell=tell), stop)
            return work.do(seen, partial(bars.show, name), tell, models)

        def told(outcome: Outcome[CollectionReport]) -> None:
            outcomes[outcome.device] = outcome
            bars.end(outcome.device, failed=outcome.failed)
            took = f"done after {outcome.seconds:.0f} s"
            note(f"{outcome.device}: {outcome.why if outcome.failed else took}")

        try:
            at_once({work.device.name: partial(do, work) for work in works}, told)
        finally:
            bars.close()
            ended = (
                Ended(work.table, outcomes[work.device.name])
                for work in works
                if work.device.name in outcomes
            )
            print_summary(ended, works[0].store, as_json=as_json)
    for outcome in outcomes.values():
        outcome.raise_if_unexpected()
    if any(outcome.failed for outcome in outcomes.values()):
        raise typer.Exit(1)


def _plan(request: TablesRequest, store: Store) -> tuple[Plan, Newcomer | None]:
    """Plan what to measure, the same for all devices, and find what to estimate by it, if so."""
    from ...profiler import Plan, find_runtime, make_plan

    passes, most_passes, dtype = request.passes, request.most_passes, request.dtype
    if request.transfer_from:
        newcomer = find_newcomer(
            store, request.transfer_from, request.supernet, request.networks, dtype
        )
        return Plan((), newcomer.networks, passes, most_passes=most_passes), newcomer
    operators, graphs = _wanted(
        request.supernet, request.operators, request.networks, dtype, request.rows
    )
    plan = make_plan(
        operators,
        graphs,
        passes,
        framed=find_runtime(request.runtime).frames(request.options, dtype),
        most_passes=most_passes,
        dtype=dtype,
        rows=request.rows,
    )
    return plan, None


def _wanted(
    supernet: str, texts: Sequence[str], networks: int, dtype: str, rows: Sequence[Granularity]
) -> tuple[Sequence[Operator], Sequence[Graph]]:
    """Find the operators and the networks to measure."""
    from ...tables import Operator, kind_of
    from ...tables.errors import FormatError
    from ..cost import calibration_networks, reachable_operators
    from ..shipped import find_spec

    if texts:
        parsed = [Operator.parse(text) for text in texts]
        for operator in parsed:
            kind_of(operator)
            if operator.dtype != dtype:
                raise FormatError(
                    f"{operator} is not {dtype}; measure it with --dtype {operator.dtype}"
                )
        return parsed, ()
    spec = find_spec(supernet)
    operators = [one for each in rows for one in reachable_operators(spec, each)]
    return operators, calibration_networks(spec, networks)
