"""``sartor profile --model``: a model of others, whole and operator by operator."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from .output import note, print_facts, print_json, print_table, progress_bar

if TYPE_CHECKING:
    from ...profiler import ModelProfile, Piece, PieceLatency

_LARGEST = 40
"""Operators that the table for people lists; the document for programs has all."""

_SHAPE = re.compile(r"(?P<name>.+)=(?P<sizes>[1-9][0-9]*(x[1-9][0-9]*)*)")


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """What is to be measured, as the command line says it.

    Attributes:
        path: to the model.
        device: name.
        inventory: file of the inventory, if not the usual one.
        runtime: name; None for the one that runs files of this name.
        python: the interpreter that has it on the device; empty for the device's own.
        threads: that the runtime may use.
        passes: processes that time everything once each.
        shapes: of inputs, each NAME=1x3x224x224.
        plot: PNG file to draw to, if any.
        seed: of the order.
        cores: to pin to, as ``--cores`` names them.
    """

    path: Path
    device: str
    inventory: Path | None
    runtime: str | None
    python: str
    threads: int
    passes: int
    shapes: tuple[str, ...]
    plot: Path | None
    seed: int
    cores: str = ""


def profile_model(request: ModelRequest, *, as_json: bool) -> None:
    """Measure a model, and print what was found."""
    import numpy as np

    from ...devices import find_cores, find_device
    from ...profiler import measure_model, read_model
    from ...profiler.provision import with_prepared

    shapes = dict(map(_shape, request.shapes))
    device = find_device(request.device, request.python, request.inventory)
    if request.plot is not None:
        _check_plot(request.plot)
    model = read_model(request.path, request.runtime)
    if not request.python:
        device = with_prepared(device, model.runtime.name)
    for warning in device.health().seen_from((), gpu=False).warnings:
        note(f"{device.name} is not quiet, timings may be off: {warning}")
    with progress_bar() as bar:
        task = bar.add_task(f"profile {model.name}", total=None)
        profile = measure_model(
            device,
            model,
            np.random.default_rng(request.seed),
            threads=request.threads,
            passes=request.passes,
            shapes=shapes,
            cores=find_cores(device, request.cores),
            progress=lambda done, of: bar.update(task, completed=done, total=of),
        )
    try:
        if request.plot is not None:
            _draw(profile, request.plot)
    finally:  # whatever becomes of the picture
        if as_json:
            print_json(document_of(profile))
        else:
            _print(profile)


def document_of(profile: ModelProfile) -> dict[str, object]:
    """Return a profile as an object of JSON."""
    return {
        "model": profile.model,
        "device": profile.device,
        "runtime": profile.runtime,
        "runtime_version": profile.runtime_version,
        "threads": profile.threads,
        "cores": profile.cores,
        "passes": profile.passes,
        "latency_ms": profile.whole.median_ms,
        "interval_ms": profile.whole.interval_ms(),
        "samples": len(profile.whole.samples_ms),
        "sum_ms": profile.sum_ms,
        "sum_over_whole": profile.sum_over_whole,
        "operators": [
            _described(one.piece)
            | {
                "latency_ms": one.measured.median_ms,
                "interval_ms": one.measured.interval_ms(),
                "total_ms": one.total_ms,
                "share": profile.share(one),
            }
            for one in profile.pieces
        ],
        "kinds": [
            {
                "kind": kind.kind,
                "times": kind.pieces,
                "total_ms": kind.total_ms,
                "share": kind.share,
            }
            for kind in profile.kinds
        ],
        "not_timed": [_described(piece) | {"reason": why} for piece, why in profile.failures],
        "agent_deaths": profile.agent_deaths,
        "seconds": profile.seconds,
        "health_before": profile.health_before.verdict,
        "health_after": profile.health_after.verdict,
    }


def _described(piece: Piece) -> dict[str, object]:
    return {
        "name": piece.name,
        "kind": piece.kind,
        "inputs": [{"dtype": one.dtype, "shape": one.shape} for one in piece.inputs],
        "outputs": [{"dtype": one.dtype, "shape": one.shape} for one in piece.outputs],
        "details": piece.details,
        "times": piece.times,
    }


def _print(profile: ModelProfile) -> None:
    interval = profile.whole.interval_ms()
    latency = f"{profile.whole.median_ms:.4f} ms, "
    if interval is None:
        latency += "one pass only, so no interval"
    else:
        latency += f"95 % interval {interval[0]:.4f}–{interval[1]:.4f} ms"
    threads = f"{profile.threads} thread{'s' if profile.threads > 1 else ''}"
    timed = sum(one.piece.times for one in profile.pieces)
    print_facts(
        profile.model,
        {
            "latency": latency,
            "runtime": f"{profile.runtime_version} on {profile.device}, {threads}",
            "passes": profile.passes,
            "operators": f"{timed} timed by themselves, {len(profile.pieces)} of them different",
            "their sum": f"{profile.sum_ms:.4f} ms, {profile.sum_over_whole:.2f} × the whole",
            "health": f"{profile.health_before.verdict} before, "
            f"{profile.health_after.verdict} after",
            "time": f"{profile.seconds:.0f} s",
        },
    )
    ranked = profile.ranked
    print_table(
        f"Largest {_LARGEST} operators" if len(ranked) > _LARGEST else "Operators",
        ("operator", "shapes", "times", "ms each", "share", "cumulated"),
        _rows(profile, ranked),
    )
    print_table(
        "By kind",
        ("operator", "times", "ms", "share"),
        (
            (kind.kind, kind.pieces, f"{kind.total_ms:.4f}", f"{kind.share:.1%}")
            for kind in profile.kinds
        ),
    )
    if profile.failures:
        print_table(
            "Not timed, and in no sum",
            ("operator", "shapes", "times", "reason"),
            ((piece.kind, piece.text, piece.times, why) for piece, why in profile.failures),
        )


def _draw(profile: ModelProfile, path: Path) -> None:
    from ...tables.atomic import write_atomically
    from ..model_plot import model_png

    write_atomically(path, model_png(profile))
    note(f"wrote {path}")


def _rows(profile: ModelProfile, ranked: Sequence[PieceLatency]) -> list[tuple[object, ...]]:
    cumulated = list(itertools.accumulate(map(profile.share, ranked)))
    rows: list[tuple[object, ...]] = [
        (
            one.piece.kind,
            one.piece.text,
            one.piece.times,
            f"{one.measured.median_ms:.4f}",
            f"{profile.share(one):.1%}",
            f"{so_far:.1%}",
        )
        for one, so_far in zip(ranked[:_LARGEST], cumulated, strict=False)
    ]
    if others := ranked[_LARGEST:]:
        times = sum(one.piece.times for one in others)
        share = sum(map(profile.share, others))
        rows.append((f"{len(others)} others", "", times, "", f"{share:.1%}", "100.0%"))
    return rows


def _shape(text: str) -> tuple[str, tuple[int, ...]]:
    """Read NAME=1x3x224x224."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise typer.BadParameter(f"{text!r} is not NAME=1x3x224x224", param_hint="--shape")
    return match["name"], tuple(map(int, match["sizes"].split("x")))


def _check_plot(path: Path) -> None:
    """Find out before anything is measured whether a picture can be drawn.

    Raises:
        FormatError: the file's name promises something else than PNG.
        RuntimeMissingError: this host cannot draw.
    """
    from importlib.util import find_spec

    from ...tables.errors import FormatError, RuntimeMissingError

    if path.suffix.lower() != ".png":
        raise FormatError(f"a plot is a .png file, not {path.name}; rename it")
    if find_spec("matplotlib") is None:
        raise RuntimeMissingError(
            "matplotlib, which draws the plot, is not installed: pip install 'sartor[plot]'"
        )
