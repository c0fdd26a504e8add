"""``sartor export``: a network as model files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import JsonOption, RuntimesOption, chosen_runtimes
from .output import note, print_json, print_table


def export(
    network: Annotated[
        Path,
        typer.Argument(help="Folder that `sartor specialize` wrote, or a published net.config."),
    ],
    *,
    weights: Annotated[
        Path | None,
        typer.Option("--weights", help="Weights that belong to a net.config.", show_default=False),
    ] = None,
    resolution: Annotated[
        int | None,
        typer.Option(
            "--resolution",
            min=1,
            max=4096,
            help="Input size of a net.config in pixels.",
            show_default="as the run.config beside it says",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for the files.", show_default="the network's own"),
    ] = None,
    runtime: RuntimesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a network as model.tflite and model.onnx.

    The network is a specialized one, or one that Once-for-All or ProxylessNAS published: then name
    its net.config, and its weights with --weights.
    """
    from ..export import export as write

    if weights is None and resolution is not None:
        raise typer.BadParameter("--resolution belongs to a net.config with its --weights")
    if weights is None and network.is_file():
        raise typer.BadParameter(
            f"{network} is a file: name the weights that belong to it, --weights"
        )
    runtimes = chosen_runtimes(runtime)
    if weights is None:
        from ..specialization import load_specialization

        loaded, folder = load_specialization(network).network, out or network
    else:
        from ..official_network import load_official_network

        loaded, folder = load_official_network(network, weights, resolution), out or network.parent
    artefacts = write(loaded, folder, runtimes)
    if as_json:
        print_json(
            [
                {"runtime": a.runtime, "path": str(a.path), "size_bytes": a.size_bytes}
                for a in artefacts
            ]
        )
        return
    print_table(
        "Exported",
        ("file", "runtime", "size"),
        ((a.path, a.runtime, f"{a.size_bytes / 1e6:.1f} MB") for a in artefacts),
    )
    if weights is None and folder == network:
        note(f"prove it with: sartor verify {folder}")
    else:
        note(f"see where its time goes with: sartor profile --model {artefacts[0].path}")
