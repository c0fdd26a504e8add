"""Puts a runtime on a Linux device: a private environment, made of wheels that the host brings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from ...devices.device import Device
from ...devices.interpreted import Interpreted
from ...tables.errors import CommandFailedError, DeviceError, FormatError, RuntimeMissingError
from ..reservation import reserved
from ..runtimes import find_runtime
from .bundle_prepare import can_bundle, prepare_bundle
from .interpreters import Interpreter, choose_interpreter
from .orders import DamagedError, Workplace
from .pieces import cut, push_pieces
from .prepared import Prepared, content_key, find_prepared, runtime_folder
from .recipes import Recipe
from .trial import import_runtime
from .wheels import Wheel, fetch_wheels


def prepare(
    device: Device,
    runtime: str,
    *,
    patience_s: float | None = None,
    tell: Callable[[str], None] = lambda _: None,
    cache: Path | None = None,
    binary: str = "",
) -> Prepared:
    """Put a runtime and numpy on a Linux device, unless they are there and whole.

    The host fetches the wheels; the device needs no network, no pip and no ``venv``, only a Python.
    The environment is made beside the old one and counts only once the runtime was imported by it,
    so whatever is cut off leaves the old one, and what has travelled need not travel again.

    A device that has no Python which suits, as phones have none, gets Sartor's own bundle, Python
    included.

    Args:
        device: to put it on; its own Python is taken where that suits.
        runtime: a name in ``RUNTIMES``.
        patience_s: how long to wait for others that time on the device, in seconds.
        tell: is called with what is being done.
        cache: where to keep wheels on this host, by default below the user's cache folder.
        binary: of ``benchmark_model``, its file, or its address and hash (``find_binary``).

    Raises:
        UnknownNameError: there is no such runtime.
        RuntimeMissingError: the device cannot have it, or its wheels are not to be had.
        OutputError: the wheels cannot be kept on this host.
        DeviceBusyError: another process is timing on the device.
        DeviceError: the device is full, may not be written to, or does not answer.
    """
    if find_runtime(runtime).native:
        return _prepare_tool(device, binary, patience_s, tell)
    try:
        interpreter = choose_interpreter(device, runtime)
    except RuntimeMissingError:
        if not can_bundle(device, runtime):
            raise
        with reserved(device, patience_s, tell, native=True):
            return prepare_bundle(device, runtime, tell)
    recipe = interpreter.recipe(runtime)
    if recipe is None:  # or it would not have been chosen
        raise RuntimeMissingError(f"there are no wheels of {runtime} for {device.name}")
    place = Workplace(device, runtime_folder(device, runtime), interpreter)
    seen = Interpreted(device, interpreter.path)
    noted = _noted(device, runtime, tell)
    if noted and _is_of(noted, recipe, interpreter):
        with reserved(seen, patience_s, tell):
            trouble = _trouble(place, noted, recipe)
        if not trouble:
            return noted
        tell(f"putting it there again: {trouble}")
    wheels = fetch_wheels(recipe, interpreter, tell, cache)
    parts = tuple(sorted(wheel.part for wheel in wheels))
    key = content_key(parts, *_circumstances(interpreter))
    prepared = Prepared(place.folder, "environment", key, parts)
    with reserved(seen, patience_s, tell):
        _put(place, prepared, noted, recipe, wheels, tell)
    return prepared


def _prepare_tool(
    device: Device, binary: str, patience_s: float | None, tell: Callable[[str], None]
) -> Prepared:
    """Put a tool on a device that needs no Python there."""
    from ..benchmark_model.binary import find_binary, published, put_binary

    if not binary:
        raise RuntimeMissingError(
            "benchmark_model is a program of Google's: name its file by --binary, or its address, "
            f"{published(device)}"
        )
    found = find_binary(binary, tell=tell)
    with reserved(device, patience_s, tell, native=True):
        return put_binary(device, found)


def _noted(device: Device, runtime: str, tell: Callable[[str], None]) -> Prepared | None:
    try:
        return find_prepared(device, runtime)
    except FormatError as error:
        tell(str(error))
        return None


def _is_of(noted: Prepared, recipe: Recipe, interpreter: Interpreter) -> bool:
    """Tell whether what is noted is what a recipe asks for, for this very Python."""
    same_key = noted.key == content_key(noted.parts, *_circumstances(interpreter))
    versions = {part.name: part.version for part in noted.parts}
    return noted.kind == "environment" and same_key and versions == dict(recipe.pins)


def _circumstances(interpreter: Interpreter) -> tuple[str, str]:
    """What an environment depends on besides its wheels."""
    return interpreter.path, ".".join(map(str, interpreter.python))


def _trouble(place: Workplace, prepared: Prepared, recipe: Recipe) -> str:
    """Tell what is wrong with an environment that is there, or nothing."""
    try:
        place.order("check", key=prepared.key, wheels=len(prepared.parts))
    except (DamagedError, CommandFailedError) as error:
        return str(error)
    return _import(place.device, str(prepared.python), recipe)


def _import(device: Device, python: str, recipe: Recipe) -> str:
    return import_runtime(device, python, recipe.module, dict(recipe.pins))


def _put(
    place: Workplace,
    prepared: Prepared,
    noted: Prepared | None,
    recipe: Recipe,
    wheels: Sequence[Wheel],
    tell: Callable[[str], None],
) -> None:
    """Bring wheels to a device, make an environment of them, try it, and let it count."""
    pieces = {wheel: tuple(cut(wheel)) for wheel in wheels}
    push_pieces(place, [piece for each in pieces.values() for piece in each], wheels, tell)
    tell(f"unpacking on {place.device.name}")
    listed = [
        {"sha256": wheel.part.sha256, "pieces": [piece.name for piece in pieces[wheel]]}
        for wheel in wheels
    ]
    try:
        place.order("make", key=prepared.key, wheels=listed)
        made = prepared.folder / f"{prepared.key}.part" / "bin" / "python"
        if trouble := _import(place.device, str(made), recipe):
            raise RuntimeMissingError(trouble)
    except (DamagedError, RuntimeMissingError):
        with suppress(DeviceError):
            place.order("tidy", key=noted.key if noted else "")
        raise
    place.order("accept", key=prepared.key, note=prepared.to_json())
