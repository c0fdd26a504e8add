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
    InventoryOption,
    JsonOption,
    SeedOption,
    StoreOption,
    SupernetOption,
    ThreadsOption,
)
from .profile_model import ModelRequest, profile_model
from .profile_tables import TablesRequest, profile_tables

if TYPE_CHECKING:
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
    device: Annotated[
        list[str] | None,
        typer.Option(
            "--device",
            help="Device, as listed by `sartor devices`; as often as you like: all at once.",
            show_default="local",
        ),
    ] = None,
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
        typer.Option(
            "--table",
            help="Name of the table; of several devices' with {device} in it.",
            show_default="DEVICE-RUNTIME",
        ),
    ] = None,
    options: Annotated[
        str,
        typer.Option("--options", help="Of the runtime, such as optimization=extended."),
    ] = "",
    dtype: Annotated[
        str, typer.Option("--dtype", help="Data type: float32, float16 or int8.")
    ] = "float32",
    batch: Annotated[
        int, typer.Option("--batch", min=1, max=1024, help="Samples in one inference.")
    ] = 1,
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
    inventory: InventoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure operators, blocks, or a --model of yours.

    With tables of other devices, ten networks are enough: --transfer-from.

    Several devices are measured at once, and none holds up the others; exits with 1 if one failed.

    Interrupt it at any time: the same command goes on where it stopped (a model begins anew).
    """
    devices = list(dict.fromkeys(device or ["local"]))
    if model is not None:
        others = (
            "supernet",
            "rows",
            "op",
            "table",
            "networks",
            "store",
            "options",
            "dtype",
            "batch",
        )
        further = ("transfer_from", "most_passes", "patience", "force")
        _refuse(context, *others, *further, because="--model has none")
        if len(devices) > 1:
            raise typer.BadParameter("--model is measured on one --device at a time")
        profile_model(
            ModelRequest(
                path=model,
                device=devices[0],
                inventory=inventory,
                runtime=runtime,
                python=python,
                threads=threads,
                passes=passes,
                shapes=tuple(shape or ()),
                plot=plot,
                seed=seed,
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
        _refuse(context, "batch", because="a table of one batch size tells nothing of another's")
    if table is not None and len(devices) > 1 and "{device}" not in table:
        raise typer.BadParameter(
            f"--table {table} would be the table of {len(devices)} devices; put {{device}} into "
            "the name, or leave it to Sartor"
        )
    profile_tables(
        TablesRequest(
            devices=tuple(devices),
            inventory=inventory,
            runtime=runtime or "litert",
            threads=threads,
            cores=cores,
            options=options,
            dtype=dtype,
            batch=batch,
            python=python,
            table=table,
            supernet=supernet,
            operators=tuple(op or ()),
            rows=rows.granularities,
            passes=passes,
            most_passes=most_passes,
            networks=networks or (TRANSFER_NETWORKS if transfer_from else DEFAULT_NETWORKS),
            transfer_from=tuple(transfer_from or ()),
            patience_s=None if force else patience,
            seed=seed,
        ),
        store,
        as_json=as_json,
    )


def _refuse(context: typer.Context, *names: str, because: str) -> None:
    """End with wrong usage where options are given that would have no effect."""
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = name.replace("_", "-")
            raise typer.BadParameter(f"--{option} has no meaning here: {because}")
