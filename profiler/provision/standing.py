"""Which runtimes a device can run, which not, and what mends that."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from ...devices.device import Device
from ...devices.texts import clean
from ...tables.errors import CommandFailedError, FormatError, RuntimeMissingError
from ..runtimes import RUNTIMES
from .bundle_prepare import can_bundle
from .interpreters import Interpreter, best_interpreter, find_interpreters
from .prepared import Prepared, find_prepared
from .recipes import RECIPES, can_prepare, recipes_of
from .trial import import_runtime
from .using import preparing

READY = ("prepared", "own")
"""The states in which a runtime can be profiled."""

_TIMEOUT_S = 120
_DISTRIBUTIONS: Mapping[str, Sequence[str]] = {
    "litert": ("ai-edge-litert",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "tflite-runtime": ("tflite-runtime",),
    "torch": ("torch",),
}
_ASK = """
import json, sys
from importlib import metadata
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a device stands with a runtime.

    Attributes:
        runtime: a name in ``RUNTIMES``.
        state: ``prepared`` when Sartor put it there and it works, ``own`` when the device's own
            Python has it, ``broken`` when what Sartor put there does not work, ``missing`` when
            it can be put there, ``impossible`` when it cannot.
        version: of what is there, such as ``ai-edge-litert 2.3.0``; empty where nothing is.
        why: it is not ready, or what could be better; a sentence for people, or empty.
        command: that mends it, or empty.
    """

    runtime: str
    state: str
    version: str = ""
    why: str = ""
    command: str = ""

    @property
    def ready(self) -> bool:
        """Whether the runtime can be profiled."""
        return self.state in READY


def runtime_standings(
    device: Device, runtimes: Iterable[str] = tuple(RUNTIMES)
) -> tuple[Standing, ...]:
    """Tell how a device stands with runtimes, in their order; what Sartor put there is tried.

    Raises:
        DeviceError: the device does not answer.
    """
    interpreters = find_interpreters(device)
    own = _own_versions(device)
    return tuple(_standing(device, runtime, interpreters, own) for runtime in runtimes)


def _standing(
    device: Device, runtime: str, interpreters: Sequence[Interpreter], own: Mapping[str, str]
) -> Standing:
    command = preparing(device.name, runtime)
    if RUNTIMES[runtime].native:
        return _of_tool(device, runtime)
    if can_prepare(runtime):
        try:
            prepared = find_prepared(device, runtime)
        except FormatError as error:
            return Standing(runtime, "broken", why=str(error), command=command)
        if prepared is not None:
            return _of_prepared(device, runtime, prepared, interpreters)
    there = [name for name in _DISTRIBUTIONS[runtime] if name in own]
    if there and "numpy" in own:
        return Standing(runtime, "own", f"{there[0]} {own[there[0]]}")
    try:
        chosen = best_interpreter(device.name, interpreters, runtime)
    except RuntimeMissingError as error:
        if not can_bundle(device, runtime):
            return Standing(runtime, "impossible", why=str(error))
        would = "Sartor's own bundle of it, Python included, can be put there"
        return Standing(runtime, "missing", why=would, command=command)
    recipe = chosen.recipe(runtime)
    would = f"{_brings(recipe.pins)} can be put beside {chosen.path}" if recipe else ""
    return Standing(runtime, "missing", why=would, command=command)


def _of_prepared(
    device: Device, runtime: str, prepared: Prepared, interpreters: Sequence[Interpreter]
) -> Standing:
    versions = {part.name: part.version for part in prepared.parts}
    known = {name for recipe in RECIPES for name, _ in recipe.pins}
    own = {name: version for name, version in versions.items() if name in known}
    main = next(iter(name for name in _DISTRIBUTIONS[runtime] if name in own), "")
    called = f"{main} {own[main]}" if main else ""
    command = preparing(device.name, runtime)
    module = recipes_of(runtime)[0].module
    if trouble := import_runtime(device, str(prepared.python), module, own):
        return Standing(runtime, "broken", called, trouble, command)
    with suppress(RuntimeMissingError):
        recipe = best_interpreter(device.name, interpreters, runtime).recipe(runtime)
        if prepared.kind == "environment" and recipe and dict(recipe.pins) != versions:
            newer = f"this Sartor would put {_brings(recipe.pins)} there"
            return Standing(runtime, "prepared", called, newer, command)
    return Standing(runtime, "prepared", called)


def _of_tool(device: Device, runtime: str) -> Standing:
    """Tell how a device stands with a tool that needs no Python."""
    command = preparing(device.name, runtime)
    try:
        prepared = find_prepared(device, runtime)
    except FormatError as error:
        return Standing(runtime, "broken", why=str(error), command=command)
    if prepared is None:
        why = "it is a program of Google's, to be named by its file or its address"
        return Standing(runtime, "missing", why=why, command=command)
    called = " ".join((runtime, *(part.version for part in prepared.parts)))
    try:
        done = device.run([str(prepared.python), "--help"], _TIMEOUT_S)
    except CommandFailedError as error:
        return Standing(runtime, "broken", called, str(error), command)
    if "--graph=" not in done.stdout + done.stderr:
        return Standing(runtime, "broken", called, "it does not say what it knows", command)
    return Standing(runtime, "prepared", called)


def _brings(pins: Sequence[tuple[str, str]]) -> str:
    return " ".join(pins[0])


def _own_versions(device: Device) -> Mapping[str, str]:
    """Return the versions of what matters here in the device's own Python."""
    names = ["numpy", *(name for each in _DISTRIBUTIONS.values() for name in each)]
    with suppress(CommandFailedError, ValueError, AttributeError, RecursionError):
        done = device.run([device.python, "-c", _ASK, *names], _TIMEOUT_S)
        found = json.loads(done.stdout).items()
        return {name: clean(str(version)) for name, version in found if name in names}
    return {}
