"""``sartor profile``: measure every operator that a search space can reach, or a whole model."""

from __future__ import annotations

from pathlib import Path
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
from .profile_model import ModelRequest, profile_model

if TYPE_CHECKING:
    from ...profiler import CollectionReport, Plan
    from ...tables import LatencyTable


def profile(
    context: typer.Context,
    *,
    device: DeviceOption = "local",
    runtime: Annotated[
        str | None,
        typer.Option(
            "--runtime",
            help="Runtime to measure.",
            show_default="litert, or what runs the --model",
        ),
    ] = None,
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
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            help="Measure this TFLite or ONNX model instead, whole and operator by operator.",
            show_default=False,
        ),
    ] = None,
    shape: Annotated[
        list[str] | None,
        typer.Option(
            "--shape",
            help="Shape of an input that the ONNX model leaves open, as NAME=1x3x224x224.",
            show_default=False,
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot", help="PNG file to draw the model's operators to.", show_default=False
        ),
    ] = None,
    seed: SeedOption = 0,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Measure a supernet's operators, or a --model of yours.

    Interrupt it at any time: the same command goes on where it stopped (a model begins anew).
    """
    if model is not None:
        _refuse(context, "supernet", "op", "table", "networks", "store", because="--model has none")
        profile_model(
            ModelRequest(model, device, runtime, threads, passes, tuple(shape or ()), plot, seed),
            as_json=as_json,
        )
        return
    _refuse(context, "shape", "plot", because="it needs --model")
    runtime = runtime or "litert"
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
        measured = opened.load(name)
    if as_json:
        print_json(_document(report, measured))
    else:
        _print(report, measured, store)


def _refuse(context: typer.Context, *names: str, because: str) -> None:
    """End with wrong usage where options are given that would have no effect."""
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise typer.BadParameter(f"--{name} has no meaning here: {because}")


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


def _print(report: CollectionReport, table: LatencyTable, store: str) -> None:
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
            "store": store,
        },
    )
    for subject, why in report.failures.items():
        note(f"not measured: {subject}: {why}")
