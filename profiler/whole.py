"""Times a model that is not ours: as a whole, and in pieces."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import MappingProxyType

import numpy as np

from ..devices.device import Device
from ..devices.patient import patient
from ..tables.cores import cores_text
from ..tables.errors import (
    AgentError,
    DeviceTimeoutError,
    ModelFileError,
    RuntimeMissingError,
)
from ..tables.measurement import Measurement, Window, reference_level_us
from .batches import Item, make_batches
from .dissect.model_file import ModelFile
from .dissect.pieces import Piece, distinct
from .interleave import Interleaving
from .messages import MeasureJob, Refusal
from .model_profile import ModelProfile, PieceLatency
from .reference import reference_graph
from .reservation import reserved
from .runner import make_runner

_WHOLE = "the whole"


def measure_model(
    device: Device,
    model: ModelFile,
    rng: np.random.Generator,
    *,
    threads: int = 1,
    passes: int = 3,
    shapes: Mapping[str, tuple[int, ...]] = MappingProxyType({}),
    cores: tuple[int, ...] = (),
    progress: Callable[[int, int], None] = lambda _done, _of: None,
    tell: Callable[[str], None] = lambda _: None,
) -> ModelProfile:
    """Time a model as a whole and cut into pieces, all in turns.

    Args:
        device: to measure on.
        model: to time; its inputs are made up.
        rng: decides the order in every pass.
        threads: that the runtime may use.
        passes: processes that time everything once each; a single one gives no interval.
        shapes: of inputs that an ONNX model leaves open, by name, batch included.
        cores: that it is pinned to; none to leave the choice to the system.
        progress: told how many windows were taken, and of how many.
        tell: is called when the connection to the device breaks, and when there is one again.

    Raises:
        ModelFileError: the model does not run as it is, or cannot be cut.
        RuntimeMissingError: the device lacks the runtime, or this host what reads its models.
        AgentError: agents die whatever they measure.
        CoresError: the device does not let agents have those cores.
        FormatError: there are more threads than cores.
        DeviceBusyError: another process is timing on the device.
        DeviceError: the device is gone.
    """
    started = time.monotonic()
    device = patient(device, tell=tell)
    with reserved(device, native=model.runtime.native):
        health_before = device.health().seen_from(cores, gpu=False)
        with _named(model):
            content, cut = _opened(model, shapes)
            runtime_version = _try_out(device, model, content, threads, cores)
            pieces = distinct(cut(device))
        size_mb = len(content) / 1e6
        items = [Item(_WHOLE, lambda: content, size_mb, alone=True)]
        items += [
            Item(str(number), partial(_content_of, piece), piece.memory_mb)
            for number, piece in enumerate(pieces)
            if not piece.problem
        ]
        done = 0
        windows: dict[str, list[Window]] = {item.key: [] for item in items}

        def count() -> None:
            nonlocal done
            done += 1
            progress(done, passes * len(items))

        def keep(key: str, window: Window) -> None:
            windows[key].append(window)
            count()

        with Interleaving(
            device=device,
            runtime=model.runtime,
            threads=threads,
            options="",
            cores=cores,
            reference=model.runtime.write(reference_graph()),
            keep=keep,
            give_up=lambda _key, _reason, _pass_index: count(),
        ) as run:
            for pass_index in range(passes):
                run.take_pass(pass_index, make_batches(items, rng))
        health_after = device.health().seen_from(cores, gpu=False)
    if _WHOLE in run.failures:
        raise ModelFileError(f"{model.name} does not run every time: {run.failures[_WHOLE]}")
    level_us = reference_level_us(window for found in windows.values() for window in found)
    measured = {key: Measurement(tuple(found), level_us) for key, found in windows.items() if found}
    failures = {number: piece.problem for number, piece in enumerate(pieces) if piece.problem}
    failures |= {int(key): reason for key, reason in run.failures.items()}
    return ModelProfile(
        model=model.name,
        device=device.name,
        runtime=model.runtime.name,
        runtime_version=runtime_version,
        threads=threads,
        passes=passes,
        whole=measured[_WHOLE],
        pieces=tuple(
            PieceLatency(piece, measured[str(number)])
            for number, piece in enumerate(pieces)
            if number not in failures
        ),
        failures=tuple((pieces[number], why) for number, why in sorted(failures.items())),
        agent_deaths=run.deaths,
        seconds=time.monotonic() - started,
        health_before=health_before,
        health_after=health_after,
        cores=cores_text(cores),
    )


@contextmanager
def _named(model: ModelFile) -> Iterator[None]:
    """Say of what is wrong with a model which one it is."""
    try:
        yield
    except ModelFileError as error:
        raise ModelFileError(f"{model.name}: {error}") from error


def _content_of(piece: Piece) -> bytes:
    return piece.content


def _opened(
    model: ModelFile, shapes: Mapping[str, tuple[int, ...]]
) -> tuple[bytes, Callable[[Device], tuple[Piece, ...]]]:
    """Return the model's file with fixed input shapes, and what cuts it for a device."""
    if model.runtime.suffix == ".onnx":
        from .dissect.on_device import cut_onnx_on
        from .dissect.onnx_inputs import fix_inputs

        content = fix_inputs(model.content, shapes)
        return content, lambda device: cut_onnx_on(device, content)
    if shapes:
        raise ModelFileError("a .tflite file has shapes of its own; name none")
    try:
        from .dissect.tflite import cut_tflite, open_tflite
    except ImportError as error:
        raise RuntimeMissingError(
            f"cannot read .tflite files on this host: {error}; install what "
            f"{model.runtime.name} needs: pip install 'sartor[{model.runtime.name}]'"
        ) from error
    parsed = open_tflite(model.content)
    return model.content, lambda _: cut_tflite(parsed)


def _try_out(
    device: Device, model: ModelFile, content: bytes, threads: int, cores: tuple[int, ...]
) -> str:
    """Make sure that the device runs a model at all; return the runtime's version."""
    with make_runner(device, model.runtime, threads, cores=cores) as session:
        try:
            ((answer,),) = session.measure([MeasureJob(session.place([content]), 0, 0)])
        except (AgentError, DeviceTimeoutError) as error:
            raise ModelFileError(f"running it fails: {error}") from error
        if isinstance(answer, Refusal):
            raise ModelFileError(
                f"{model.runtime.name} on {device.name} cannot run it: {answer.reason}"
            )
        return session.hello.runtime_version
