"""``sartor profile``: measure every operator that a search space can reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .options import (
    DEFAULT_STORE,
    DEFAULT_SUPERNET,
    DeviceOption,
    JsonOption,
    SeedOption,
    StoreOption,
    SupernetOption,
    ThreadsOption,
)
from .output import note, print_facts, print_json, progress_bar

if TYPE_CHECKING:
    from ...profiler import CollectionReport, Plan
    from ...tables import LatencyTable


def profile(
    *,
    device: DeviceOption = "local",
    runtime: Annotated[str, typer.Option("--runtime", help="Runtime to measure.")] = "litert",
    threads: ThreadsOption = 1,
    supernet: SupernetOption = DEFAULT_SUPERNET,
    op: Annotated[
        list[str] | None,
        typer.Option("--op", help="Measure this operator only, as often as you like."),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option("--table", help="Name of the table.", show_default="DEVICE-RUNTIME"),
    ] = None,
    passes: Annotated[
        int, typer.Option("--passes", min=1, max=100, help="Processes that time each operator.")
    ] = 3,
    networks: Annotated[
        int, typer.Option("--networks", min=2, max=50, help="Whole networks to calibrate by.")
    ] = 5,
    seed: SeedOption = 0,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Measure what a supernet's sub-networks are made of.

    Interrupt it at any time: the same command goes on where it stopped.
    """
    import numpy as np

    from ...devices import find_device
    from ...profiler import collect, find_runtime
    from ...tables import Condition, Store

    target, name = find_device(device), table or f"{device}-{find_runtime(runtime).name}"
    plan = _plan(supernet, op or [], networks, passes)
    condition = Condition(runtime, threads)
    for warning in target.health().warnings:
        note(f"{device} is not quiet, timings may be off: {warning}")
    with Store.open(store) as opened, progress_bar() as bar:
        task = bar.add_task(f"profile {device}", total=plan.windows)
        report = collect(
            target,
            opened,
            name,
            plan,
            condition,
            np.random.default_rng(seed),
            lambda done: bar.update(task, completed=done.windows + done.failures),
        )
        measured, where = opened.load(name), opened.where
    if as_json:
        print_json(_document(report, measured))
    else:
        _print(report, measured, where)


def _plan(supernet: str, operators: list[str], networks: int, passes: int) -> Plan:
    from ...profiler import make_plan
    from ...tables import Operator, kind_of
    from ..cost import calibration_networks, reachable_operators
    from ..shipped import find_spec

    if operators:
        parsed = [Operator.parse(text) for text in operators]
        for operator in parsed:
            kind_of(operator)
        return make_plan(parsed, (), passes)
    spec = find_spec(supernet)
    return make_plan(reachable_operators(spec), calibration_networks(spec, networks), passes)


def _document(report: CollectionReport, table: LatencyTable) -> dict[str, object]:
    return {
        "table": report.table,
        "operators": len(table.rows),
        "windows_measured": report.measured,
        "windows_resumed": report.resumed,
        "failures": {str(subject): why for subject, why in report.failures.items()},
        "agent_deaths": report.agent_deaths,
        "seconds": report.seconds,
        "health_before": report.health_before.verdict,
        "health_after": report.health_after.verdict,
        "calibration_scale": table.calibration.scale,
        "leave_one_out_error": table.calibration.leave_one_out_error,
    }


def _print(report: CollectionReport, table: LatencyTable, where: str) -> None:
    calibration = table.calibration
    trust = (
        f"× {calibration.scale:.3f} from {calibration.networks} whole networks, "
        f"leave-one-out error {calibration.leave_one_out_error:.1%}"
        if calibration.calibrated
        else "none: no whole networks were measured"
    )
    print_facts(
        f"Latency table {report.table}",
        {
            "operators": len(table.rows),
            "windows": f"{report.measured} measured, {report.resumed} were there before",
            "failures": len(report.failures),
            "calibration": trust,
            "health": f"{report.health_before.verdict} before, {report.health_after.verdict} after",
            "time": f"{report.seconds:.0f} s",
            "store": where,
        },
    )
    for subject, why in report.failures.items():
        note(f"not measured: {subject}: {why}")
