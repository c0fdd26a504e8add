"""Whether a runtime can be imported on a device, and what is wrong where it cannot."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Mapping
from contextlib import suppress

from ...devices.device import Completed, Device
from ...devices.texts import last_line
from ...tables.errors import CommandFailedError

_TIMEOUT_S = 300
_SCRIPT = """
import importlib, json, os, sys
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
from importlib import metadata
importlib.import_module(sys.argv[1])
print(json.dumps({name: metadata.version(name) for name in sys.argv[2:]}))
"""
_LIBRARY = re.compile(r"(lib[A-Za-z0-9_+.-]+\.so[0-9.]*): cannot open shared object")
_PACKAGES = {
    "libgcc_s.so.1": "libgcc-s1",
    "libgomp.so.1": "libgomp1",
    "libstdc++.so.6": "libstdc++6",
}


def import_runtime(device: Device, python: str, module: str, versions: Mapping[str, str]) -> str:
    """Import a runtime by a Python on a device; tell what is wrong, or nothing.

    Args:
        device: to do it on.
        python: that was put there.
        module: of the runtime.
        versions: of distributions that this has to find, by name.

    Raises:
        DeviceError: the device does not answer.
    """
    try:
        done = device.run([python, "-I", "-c", _SCRIPT, module, *versions], _TIMEOUT_S)
    except CommandFailedError as error:
        return f"the Python that it was put there for is gone: {error}"
    if done.exit_code:
        return _explained(done, device.name, python)
    if _versions(done.stdout) != dict(versions):
        return f"{python} on {device.name} finds other versions than were put there"
    return ""


def _versions(output: str) -> Mapping[str, str] | None:
    with suppress(ValueError, LookupError):
        found = json.loads(output.splitlines()[-1])
        return found if isinstance(found, dict) else None
    return None


def _explained(done: Completed, device: str, python: str) -> str:
    """Say why an import failed, and what to do about it."""
    # What a shell says of a program that a signal ended is 128 more than the signal's number.
    number = -done.exit_code if done.exit_code < 0 else done.exit_code - 128
    if number == signal.SIGILL:
        return (
            f"the processor of {device} lacks instructions that the wheels use; "
            "they are for newer ones"
        )
    if number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS):
        return f"the runtime crashes on {device} while it is imported ({_name(number)})"
    if found := _LIBRARY.search(done.stderr):
        package = _PACKAGES.get(found[1])
        advice = f"sudo apt-get install {package}" if package else "install what brings it"
        return f"{device} lacks the library {found[1]}; {advice}"
    if "failed to map segment" in done.stderr:
        return (
            f"nothing may be run from {python} on {device} (the file system is mounted noexec); "
            "mount it with exec, or give the device another folder"
        )
    said = last_line(done.stderr) or f"status {done.exit_code}"
    return f"the runtime cannot be imported on {device}: {said}"


def _name(number: int) -> str:
    return signal.Signals(number).name
