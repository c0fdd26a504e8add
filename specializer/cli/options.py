"""Options that several commands share, so that they mean the same everywhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer


def _data_folder() -> Path:
    """Where the user's data belong (XDG base directory specification)."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "sartor"


DEFAULT_PASSES, DEFAULT_MOST_PASSES, DEFAULT_NETWORKS = 3, 8, 8
"""How thoroughly ``sartor profile`` measures; benchmarks of it measure in the same way."""

TRANSFER_NETWORKS = 10
"""How many networks it measures where operators are estimated from them."""

DEFAULT_STORE = str(_data_folder() / "tables.sqlite")
DEFAULT_SUPERNET = "ofa-mbv3-imagenette"

FolderArgument = Annotated[Path, typer.Argument(help="Folder that `sartor specialize` wrote.")]
StoreOption = Annotated[
    str,
    typer.Option(
        "--store",
        envvar="SARTOR_STORE",
        help="Where latency tables are kept: a file, or a URL of a PostgreSQL database, "
        "postgresql+psycopg://USER@HOST/DATABASE.",
        show_default="in your data folder",
    ),
]
DeviceOption = Annotated[
    str, typer.Option("--device", help="Device, as listed by `sartor devices`.")
]
InventoryOption = Annotated[
    Path | None,
    typer.Option(
        "--inventory",
        envvar="SARTOR_DEVICES",
        help="File that lists your devices.",
        show_default="in your folder of settings",
    ),
]
SupernetOption = Annotated[
    str,
    typer.Option(
        "--supernet",
        help="A shipped supernet's name, a file of weights, or MODULE:ATTRIBUTE for code of your "
        "own.",
    ),
]
ThreadsOption = Annotated[
    int, typer.Option("--threads", min=1, max=256, help="Threads that the runtime may use.")
]
CoresOption = Annotated[
    str,
    typer.Option(
        "--cores",
        help="Processor cores to pin to: big, mid, little, or a list such as 4-7.",
        show_default="wherever the system runs it",
    ),
]
RuntimesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--runtime", help="Runtime, as often as you like.", show_default="those of shipped models"
    ),
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="Your images, one folder per class.", show_default=False),
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Of everything random.")]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON on standard output.")
]


def chosen_runtimes(named: list[str] | None) -> list[str]:
    """Return the runtimes that were named, each once, or all that models are shipped for.

    Raises:
        UnknownNameError: one of them is not known.
    """
    from ...profiler import RUNTIMES, find_runtime

    shipped = sorted(name for name, runtime in RUNTIMES.items() if runtime.shipped)
    return list(dict.fromkeys(find_runtime(name).name for name in named or shipped))
