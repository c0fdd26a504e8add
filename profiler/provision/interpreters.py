"""The Pythons that a Linux device has, and which of them a runtime can be put beside."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...devices.device import Device
from ...devices.texts import clean, last_line
from ...tables.errors import DeviceError, RuntimeMissingError
from .recipes import ARCHITECTURES, PYTHONS, Recipe, recipes_of

_TIMEOUT_S = 120
_LONGEST_ANSWER = 1 << 16
_LONGEST_PATH = 1000
_PROBE = Path(__file__).with_name("probe_there.py")
_NAMES = ("python3", *(f"python{major}.{minor}" for major, minor in reversed(PYTHONS)))
# Startup files of a shell may print, and a Python that does not work may complain.
_SCRIPT = f"""
probe=$1; shift
for name in "$@"
do "$name" -c "$probe" </dev/null 2>/dev/null; echo
done | head -c {_LONGEST_ANSWER}
"""
_GLIBC = re.compile(r"glibc ([0-9]{1,3})\.([0-9]{1,3})")


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python 3 on a device.

    Attributes:
        path: of the program itself, not of a link or of a virtual environment's.
        version: major, minor, micro.
        implementation: such as ``CPython``.
        bits: of a pointer. A 32-bit Python may run on a 64-bit kernel.
        machine: as ``uname -m`` says.
        glibc: version of the C library; None where that is another one.
        missing: modules of the standard library that are needed and not there.
    """

    path: str
    version: tuple[int, int, int]
    implementation: str
    bits: int
    machine: str
    glibc: tuple[int, int] | None
    missing: tuple[str, ...]

    @property
    def python(self) -> tuple[int, int]:
        """Its major and minor version."""
        return self.version[:2]

    @property
    def version_text(self) -> str:
        """Its version, such as ``3.11.2``."""
        return ".".join(map(str, self.version))

    def objection(self, device: str, runtime: str) -> str:
        """Tell why no wheels of a runtime can be used with it; empty when some can.

        Args:
            device: the name of the device that has it.
            runtime: a name in ``RUNTIMES``.
        """
        where = f"{self.path} on {device}"
        if self.implementation != "CPython":
            return f"{where} is {self.implementation}, and wheels are for CPython; {_INSTALL}"
        if self.bits != 64 or self.machine not in ARCHITECTURES:
            return f"{where} is of {self.bits}-bit {self.machine}; {_other_machine(self, runtime)}"
        if self.glibc is None:
            return (
                f"{device} has no glibc (it is Alpine or the like), and there are no wheels of "
                f"{runtime} for it; use a system with glibc, such as Debian"
            )
        if self.missing:
            return f"{where} lacks {', '.join(self.missing)} of its standard library; {_INSTALL}"
        if self.recipe(runtime) is None:
            return f"{where} is Python {self.version_text}; {_wanted(self, device, runtime)}"
        return ""

    def recipe(self, runtime: str) -> Recipe | None:
        """Return the best recipe of a runtime that it can be put there by."""
        if self.glibc is None:
            return None
        for recipe in recipes_of(runtime):
            if recipe.fits(self.python, self.machine, self.glibc):
                return recipe
        return None


_INSTALL = "install the whole of one: sudo apt-get install python3"


def find_interpreters(device: Device) -> tuple[Interpreter, ...]:
    """Ask a device for its Pythons; first the one that is the device's own.

    Raises:
        DeviceError: the device does not answer.
    """
    names = [device.python, *(name for name in _NAMES if name != device.python)]
    done = device.run(["sh", "-c", _SCRIPT, "sh", _PROBE.read_text(), *names], _TIMEOUT_S)
    if done.exit_code:
        raise DeviceError(
            f"cannot look for Python on {device.name}: sh and head are needed there "
            f"({last_line(done.stderr)})"
        )
    return tuple(dict.fromkeys(_parsed(done.stdout)))


def choose_interpreter(device: Device, runtime: str) -> Interpreter:
    """Choose the Python on a device that a runtime is to be put beside: its own where that suits.

    Raises:
        UnknownNameError: there is no such runtime.
        RuntimeMissingError: no Python there suits, or the runtime is none that Sartor puts on
            devices.
        DeviceError: the device does not answer.
    """
    return best_interpreter(device.name, find_interpreters(device), runtime)


def best_interpreter(device: str, found: Sequence[Interpreter], runtime: str) -> Interpreter:
    """Choose among the Pythons of a device; see ``choose_interpreter``."""
    recipes_of(runtime)
    if not found:
        oldest, newest = (".".join(map(str, python)) for python in (PYTHONS[0], PYTHONS[-1]))
        raise RuntimeMissingError(
            f"there is no Python 3 on {device}, or not the whole of one; "
            f"install one of {oldest} to {newest}: sudo apt-get install python3"
        )
    for interpreter in found:
        if not interpreter.objection(device, runtime):
            return interpreter
    raise RuntimeMissingError(found[0].objection(device, runtime))


def _other_machine(interpreter: Interpreter, runtime: str) -> str:
    """Say what there is for a processor that there are no recipes for."""
    if interpreter.machine in ("aarch64", "armv8l", "armv7l"):
        own = (
            "numpy has no wheels for 32-bit ARM: sudo apt-get install python3-numpy, install a "
            "wheel of tflite-runtime beside it, and name that Python by --python"
            if runtime == "tflite-runtime"
            else f"there are no wheels of {runtime} for 32-bit ARM"
        )
        return f"{own}; or use a 64-bit system, which a Raspberry Pi runs from its model 3 on"
    known = " and ".join(ARCHITECTURES)
    return f"there are wheels of {runtime} for {known} only; profile a device of these"


def _wanted(interpreter: Interpreter, device: str, runtime: str) -> str:
    """Say what a device needs for a runtime that no recipe of fits one of its Pythons."""
    there = [one for one in recipes_of(runtime) if interpreter.python in one.pythons]
    if there:
        oldest = min(recipe.glibc[interpreter.machine] for recipe in there)
        have, want = (".".join(map(str, each)) for each in (interpreter.glibc or (), oldest))
        return (
            f"{runtime} for it needs glibc {want}, and {device} has {have}; "
            "use a newer release of its system"
        )
    known = sorted({python for recipe in recipes_of(runtime) for python in recipe.pythons})
    first, last = (".".join(map(str, python)) for python in (known[0], known[-1]))
    return (
        f"there are wheels of {runtime} for Python {first} to {last}; install one of these beside "
        f"it: sudo apt-get install python{last}"
    )


def _parsed(output: str) -> Iterator[Interpreter]:
    """Read the lines that the probe printed, and pass over what is none of its."""
    for line in output.splitlines():
        if line.startswith("{") and (interpreter := _interpreter(line)):
            yield interpreter


def _interpreter(line: str) -> Interpreter | None:
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        return None
    match answer:
        case {
            "python": str(path),
            "version": [int(major), int(minor), int(micro)],
            "implementation": str(implementation),
            "bits": int(bits),
            "machine": str(machine),
            "libc": str(libc),
            "missing": list(missing),
        } if _plain_path(path):
            found = _GLIBC.match(libc)
            return Interpreter(
                path=path,
                version=(major, minor, micro),
                implementation=clean(implementation),
                bits=bits,
                machine=clean(machine),
                glibc=(int(found[1]), int(found[2])) if found else None,
                missing=tuple(clean(str(name)) for name in missing[:100]),
            )
    return None


def _plain_path(path: str) -> bool:
    return path.startswith("/") and len(path) <= _LONGEST_PATH and path.isprintable()
