"""``sartor profile``: measure what a search space can reach, or a whole model."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import (
    DEFAULT_MOST_PASSES,
    DEFAULT_NETWORKS,
    DEFAULT_PASSES,
    DEFAULT_STORE,
    DEFAULT_SUPERNET,
    TRANSFER_NETWORKS,
    CoresOption,
    DeviceOption,
    JsonOption,
    SeedOption,
    StoreOption,
    SupernetOption,
    ThreadsOption,
)
from .output import note, print_facts, print_json, progress_bar
from .profile_model import ModelRequest, profile_model
from .profile_transfer import find_newcomer, keep_estimates, refuse_estimates
from .standing import standings_document, standings_text, table_standings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...profiler import CollectionReport
    from ...tables import Graph, LatencyTable, Operator
    from ...tables.granularity import Granularity


class Rows(str, Enum):
    """What ``profile`` measures of a supernet."""

    OPERATORS = "operators"
    BLOCKS = "blocks"
    BOTH = "both"

    @property
    def granularities(self) -> tuple[Granularity, ...]:
        """As tables have them."""
        from ...tables.granularity import GRANULARITIES

        return tuple(each for each in GRANULARITIES if self in (Rows.BOTH, each.name))


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
    cores: CoresOption = "",
    supernet: SupernetOption = DEFAULT_SUPERNET,
    rows: Annotated[
        Rows,
        typer.Option(
            "--rows",
            help="Measure operators, or whole blocks, or both: then the better ones predict.",
        ),
    ] = Rows.OPERATORS,
    op: Annotated[
        list[str] | None,
        typer.Option("--op", help="Measure this operator only, as often as you like."),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option("--table", help="Name of the table.", show_default="DEVICE-RUNTIME"),
    ] = None,
    options: Annotated[
        str,
        typer.Option("--options", help="Of the runtime, such as optimization=extended."),
    ] = "",
    dtype: Annotated[
        str, typer.Option("--dtype", help="Data type: float32, float16 or int8.")
    ] = "float32",
    python: Annotated[
        str,
        typer.Option(
            "--python",
            help="Interpreter that has the runtime, such as that of another environment.",
            show_default="the device's own",
        ),
    ] = "",
    passes: Annotated[
        int, typer.Option("--passes", min=1, max=100, help="Processes that time each operator.")
    ] = DEFAULT_PASSES,
    most_passes: Annotated[
        int,
        typer.Option(
            "--most-passes", min=1, max=100, help="As many for an operator that is not steady."
        ),
    ] = DEFAULT_MOST_PASSES,
    networks: Annotated[
        int | None,
        typer.Option(
            "--networks",
            min=2,
            max=50,
            help="Whole networks to calibrate by.",
            show_default=f"{DEFAULT_NETWORKS}, with --transfer-from {TRANSFER_NETWORKS}",
        ),
    ] = None,
    transfer_from: Annotated[
        list[str] | None,
        typer.Option(
            "--transfer-from",
            help="Measure whole networks only, and estimate the operators from them and from this "
            "table of another device, as often as you like.",
            show_default=False,
        ),
    ] = None,
    patience: Annotated[
        float,
        typer.Option("--patience", min=0, help="Seconds to wait for a device that is hot or busy."),
    ] = 120,
    force: Annotated[
        bool, typer.Option("--force", help="Measure at once, however hot or busy the device is.")
    ] = False,
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
    """Measure operators, blocks, or a --model of yours.

    With tables of other devices, ten networks are enough: --transfer-from.

    Interrupt it at any time: the same command goes on where it stopped (a model begins anew).
    """
    if model is not None:
        others = ("supernet", "rows", "op", "table", "networks", "store", "options", "dtype")
        further = ("transfer_from", "most_passes", "patience", "force")
        _refuse(context, *others, *further, because="--model has none")
        profile_model(
            ModelRequest(
                *(model, device, runtime, python, threads, passes, tuple(shape or ()), plot, seed),
                cores=cores,
            ),
            as_json=as_json,
        )
        return
    _refuse(context, "shape", "plot", because="it needs --model")
    if op:
        _refuse(context, "rows", because="--op names what is measured, operators or blocks")
    if transfer_from:
        _refuse(context, "op", "rows", because="--transfer-from measures whole networks")
    runtime = runtime or "litert"
    import numpy as np

    from ...devices import find_cores, find_device
    from ...profiler import Plan, collect, find_runtime, make_plan
    from ...tables import Condition, Store
    from ...tables.cores import cores_text

    found = find_runtime(runtime)
    found.check_options(options)
    found.check_dtype(dtype)
    target = find_device(device, python)
    name = table or _default_name(
        device, runtime, options, dtype, cores, estimated=bool(transfer_from)
    )
    pinned = cores_text(find_cores(target, cores))
    condition = Condition(runtime, threads, dtype=dtype, options=options, cores=pinned)
    newcomer = None
    if not transfer_from:
        count = networks or DEFAULT_NETWORKS
        operators, graphs = _wanted(supernet, op or [], count, dtype, rows.granularities)
        plan = make_plan(
            operators,
            graphs,
            passes,
            framed=found.frames(options, dtype),
            most_passes=most_passes,
            dtype=dtype,
            rows=rows.granularities,
        )
    with Store.open(store) as opened, progress_bar() as bar:
        if transfer_from:
            count = networks or TRANSFER_NETWORKS
            newcomer = find_newcomer(opened, name, transfer_from, supernet, count, dtype)
            plan = Plan((), newcomer.networks, passes, most_passes=most_passes)
        else:
            refuse_estimates(opened, name)
        task = bar.add_task(f"profile {device}", total=plan.windows)
        report = collect(
            target,
            opened,
            name,
            plan,
            condition,
            np.random.default_rng(seed),
            lambda done: bar.update(
                task, completed=done.windows + done.failures, total=done.of_windows
            ),
            patience_s=None if force else patience,
            tell=note,
        )
        if newcomer is not None:
            keep_estimates(opened, name, newcomer)
        measured, where = opened.load(name), opened.where
    if as_json:
        print_json(_document(report, measured))
    else:
        _print(report, measured, where)


def _refuse(context: typer.Context, *names: str, because: str) -> None:
    """End with wrong usage where options are given that would have no effect."""
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = name.replace("_", "-")
            raise typer.BadParameter(f"--{option} has no meaning here: {because}")


def _default_name(
    device: str, runtime: str, options: str, dtype: str, cores: str, *, estimated: bool
) -> str:
    """Name a table after what may not mix in one: ``local-onnxruntime-extended``."""
    chosen = (pair.rpartition("=")[2] for pair in options.split(","))
    other = "" if dtype == "float32" else dtype
    how = "transferred" if estimated else ""
    where = f"cores{cores}" if cores[:1].isdecimal() else cores
    return "-".join(filter(None, (device, runtime, *chosen, other, where, how)))


def _wanted(
    supernet: str, texts: list[str], networks: int, dtype: str, rows: Sequence[Granularity]
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


def _document(report: CollectionReport, table: LatencyTable) -> dict[str, object]:
    return {
        "table": report.table,
        "operators": len(table.rows),
        "transferred_from": list(table.transfer.known) if table.transfer else [],
        "networks": [whole.network.name for whole in table.networks],
        "windows_measured": report.measured,
        "windows_resumed": report.resumed,
        "failures": {str(subject): why for subject, why in report.failures.items()},
        "unsteady": [str(subject) for subject in report.unsteady],
        "agent_deaths": report.agent_deaths,
        "seconds": report.seconds,
        "busy_share": report.busy_share,
        "health_before": report.health_before.verdict,
        "health_after": report.health_after.verdict,
        "disturbed_batches": sum(bool(batch.warnings) for batch in table.health),
        "repeated_batches": report.disturbed,
        "calibration": table.calibration.to_dict(),
        "rows": standings_document(table_standings(table)),
    }


def _print(report: CollectionReport, table: LatencyTable, where: str) -> None:
    for warning in (*report.health_before.warnings, *report.health_after.warnings):
        note(f"timings may be off: {warning}")
    calibration = table.calibration
    trust = (
        f"{calibration.formula} from {calibration.networks} whole networks, intervals "
        f"± {calibration.margin:.1%}"
        if calibration.calibrated
        else "none: no whole networks were measured"
    )
    print_facts(
        f"Latency table {report.table}",
        {
            "operators": f"{len(table.rows)}, estimated from {'; '.join(table.transfer.known)}"
            if table.transfer
            else len(table.rows),
            "windows": f"{report.measured} measured, {report.resumed} were there before",
            "failures": len(report.failures),
            "not steady": f"{len(report.unsteady)} subjects, which are not known to ± 1 %",
            "calibration": trust,
            "predicted by": standings_text(table_standings(table)),
            "health": f"{report.health_before.verdict} before, {report.health_after.verdict} after",
            "disturbed": f"{report.disturbed} batches, which were measured again",
            "time": f"{report.seconds:.0f} s, the device at work {report.busy_share:.0%} of it",
            "store": where,
        },
    )
    for subject, why in report.failures.items():
        note(f"not measured: {subject}: {why}")
